"""Which way the voice comes: over RTP, or as chunks over the hall socket. Pure; the clock is an argument."""

from __future__ import annotations

_RTP_SILENCE_S = 3.0
_VOICE_SIGN_S = 4.0
_BEHIND_MS = 400  # what the relay has more than we must be more than what may be on its way


class CarrierChoice:
    """Notices when voice that exists does not arrive over RTP, so that it is asked for instead.

    :ivar text: the relay sends no live voice, since the link is too thin for it: the text rung.
    :ivar rtp_heard_s: when anything came over RTP.
    """

    def __init__(self) -> None:
        self.text = False
        self.rtp_heard_s = float("-inf")
        self._rtp_at = self._chunk_at = float("-inf")
        self._socket_up_at = float("inf")
        self._voice_end_ms = 0
        self._voice_grew_at = float("-inf")
        self._voice_began_at = float("-inf")
        self._following = False

    def rtp_voice(self, now: float) -> None:
        """Voice came over RTP."""
        self._rtp_at = now
        self._following = False

    def chunk_voice(self, now: float) -> None:
        """Voice came as chunks, asked for or not: the relay sends them by itself when it hears nothing over UDP."""
        self._chunk_at = now

    def rtp_packet(self, now: float) -> None:
        """Anything came over RTP."""
        self.rtp_heard_s = now

    def socket_up(self, now: float) -> None:
        """A hall socket stands; RTP gets a little time to follow."""
        self._socket_up_at = now

    def socket_down(self) -> None:
        """The hall socket is gone."""
        self._socket_up_at = float("inf")
        self._following = False

    def relay_has(self, voice_end_ms: int, now: float, *, got_ms: int) -> None:
        """The relay says how far the voice reaches there; here it reaches to ``got_ms``."""
        if voice_end_ms > self._voice_end_ms:
            if not self.voice_expected(now):
                self._voice_began_at = now
            self._voice_grew_at = now
        self._voice_end_ms = voice_end_ms
        # Somebody has just begun to speak: RTP, where it lives, will bring it.
        just_begun = self.rtp_alive(now) and now - self._voice_began_at < _RTP_SILENCE_S
        if voice_end_ms - got_ms > _BEHIND_MS and not just_begun and not self.rtp_works(now):
            self._following = True
        if not self.voice_expected(now):
            self._following = False

    def voice_expected(self, now: float) -> bool:
        """Whether somebody is speaking: the voice at the relay grows."""
        return now - self._voice_grew_at < _VOICE_SIGN_S

    def rtp_works(self, now: float) -> bool:
        """Whether voice came over RTP lately."""
        return now - self._rtp_at < _RTP_SILENCE_S

    def rtp_alive(self, now: float) -> bool:
        """Whether anything came over RTP lately: it carries all that there is for us."""
        return now - self.rtp_heard_s < _RTP_SILENCE_S

    def in_use(self, now: float) -> str:
        """What brings things to us, for people: ``rtp``, ``socket``, or empty if nothing does."""
        if self.rtp_alive(now):
            return "rtp"
        return "socket" if self.over_socket(now) or now - self._chunk_at < _RTP_SILENCE_S else ""

    def over_socket(self, now: float) -> bool:
        """Whether to follow the voice by asking for it now."""
        if self.text or self.rtp_works(now) or now - self._socket_up_at < _RTP_SILENCE_S:
            return False
        return self._following and self.voice_expected(now)
