"""Whether each pack of a hall's voice brings an earlier one along, and which. Pure.

Retransmission is the better protection by far, as it costs only what was lost. But it takes two round trips where the
first request or answer is lost as well, and a hall that plays sooner than that (a fixed short delay, a satellite link)
has no time for it. There a copy is worth its bytes: in a later pack, as many later as the delay allows, since losses
come in bursts.
"""

from __future__ import annotations

FROM_LOSS, TO_LOSS = 0.03, 0.015
BUDGET = 3.0
"""Voice is sent twice where the link carries so many times its rung."""
ROUND_TRIPS = 2.0
KEPT_MS = 250
"""A delay that wavers by less than this about the bound changes nothing."""
ON_TIME_MS = 120
"""From the end of a pack until it can be heard, beside the way: it is held, sent, and unpacked."""
MOST_PACKS = 4
URGENT_TRIES = 3
TRY_ROUND_TRIPS = 1.15
"""A hall repeats its request after so many round trips."""


def copies_fit(fraction_lost: float, budget_kbps: float, rung_kbps: int, *, wanted: bool) -> bool:
    """Whether the link loses enough to send frames twice, and carries it.

    :param wanted: whether they are sent twice already: it takes less to go on with it.
    """
    return fraction_lost > (TO_LOSS if wanted else FROM_LOSS) and budget_kbps >= BUDGET * rung_kbps


def copy_spacing(playout_delay_ms: int, rtt_s: float, pack_ms: int, *, wanted: bool) -> int:
    """How many packs before its own the one is that a pack brings along; 0 for none.

    :param playout_delay_ms: as the hall reports it, 0 for unknown.
    :param rtt_s: round trip, 0 for unknown.
    :param wanted: whether copies are sent already.
    """
    soon_ms = ROUND_TRIPS * rtt_s * 1000 + pack_ms + (KEPT_MS if wanted else 0)
    if not 0 < playout_delay_ms < soon_ms:
        return 0
    return max(0, min(MOST_PACKS, (playout_delay_ms - ON_TIME_MS) // pack_ms - 1))


def is_urgent(age_ms: int, playout_delay_ms: int, rtt_s: float) -> bool:
    """Whether a pack that is lost has so few tries left until its playout that it shall go along with a live one, too.

    The same packet sent twice would not do: a receiver that gets both drops the second before it is counted, and the
    link seems to lose what it carried.

    :param age_ms: from its first word to the newest that was sent.
    :param playout_delay_ms: as the hall reports it, 0 for unknown.
    :param rtt_s: round trip, 0 for unknown.
    """
    left_ms = playout_delay_ms - age_ms
    return playout_delay_ms > 0 and rtt_s > 0 and left_ms < URGENT_TRIES * TRY_ROUND_TRIPS * rtt_s * 1000
