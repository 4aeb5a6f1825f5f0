from __future__ import annotations

import os

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

from relay.signalling.text_deflate import TextDeflateFactory


def test_text_is_compressed_and_pages_are_not() -> None:
    client = ClientPerMessageDeflateFactory(client_max_window_bits=True)
    accepted, relay_side = TextDeflateFactory().process_request_params(client.get_request_params(), [])
    client_side = client.process_response_params(accepted, [])
    text = b'{"kind":"clock","t_ms":1234,"voice_end_ms":1000}' * 10
    page = os.urandom(4000)
    for opcode, data in ((Opcode.TEXT, text), (Opcode.BINARY, page), (Opcode.TEXT, text), (Opcode.PING, b"x")):
        sent = relay_side.encode(Frame(opcode, data))
        assert sent.rsv1 == (opcode is Opcode.TEXT)
        assert opcode is not Opcode.TEXT or len(sent.data) < len(data) / 3
        assert bytes(client_side.decode(sent).data) == data
        assert bytes(relay_side.decode(client_side.encode(Frame(opcode, data))).data) == data
