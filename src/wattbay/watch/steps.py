"""What one reading says against another: what can be, and what is usual at that time of day."""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter

from wattbay.kernel.evidence import Reading
from wattbay.periods import DAY, Instant
from wattbay.watch.findings import Anomaly, Finding, of_reading, span
from wattbay.watch.history import learn, new_pattern
from wattbay.watch.sun import night_of
from wattbay.watch.track import RECENT_MAX, Bounds, Limits, Registers, Track

NIGHT_SHARE_MIN = 0.01
NIGHT_W_MIN = 20.0
"""Less power than this, or this part of a device's own peak, is no sunshine but noise. [W]"""


def ahead(reading: Reading, received_at: Instant) -> Finding:
    """Return the finding that a stamp lies in the future."""
    words = f"stamped {span(reading.measured_at - received_at)} ahead of our clock"
    return of_reading(Anomaly.CLOCK_DRIFT, reading, received_at, words)


def is_possible(
    before: Registers,
    reading: Reading,
    received_at: Instant,
    bounds: Bounds,
    found: list[Finding],
    after: Registers | None = None,
) -> bool:
    """Tell whether registers can have risen so between two instants; else say why not.

    Parameters
    ----------
    reading
        What is judged, and what `before` is compared with unless `after` is given.
    found
        Grows by what is odd.
    """
    end = after or Registers(reading.measured_at, reading.import_register, reading.export_register)
    passed_us, width, facts = end.at - before.at, bounds.width, bounds.facts
    until = " until a later reading" if after else ""
    for name, rose, per_us, slack in (
        ("import", end.import_register - before.import_register,
         bounds.import_per_us, bounds.import_slack),
        ("export", end.export_register - before.export_register,
         bounds.export_per_us, bounds.export_slack),
    ):  # fmt: skip
        # Beginning again at zero is rising, unless that were more than half of all there is.
        advance = rose % width
        if rose < 0 and 2 * advance > width:
            words = f"its {name} register fell by {-rose * facts.unit_wh} Wh{until}"
            found.append(of_reading(Anomaly.REGISTER_WENT_BACK, reading, received_at, words))
            return False
        if advance > passed_us * per_us + slack:
            anomaly = Anomaly.REGISTER_WENT_BACK if rose < 0 else Anomaly.IMPOSSIBLE_ENERGY
            most_wh = int((passed_us * per_us + slack) * facts.unit_wh)
            words = f"its {name} register rose by {advance * facts.unit_wh} Wh in"
            words += f" {span(passed_us)}{until}; {most_wh} Wh is the most"
            found.append(of_reading(anomaly, reading, received_at, words))
            return False
    return True


def late(
    track: Track,
    reading: Reading,
    received_at: Instant,
    bounds: Bounds,
    found: list[Finding],
) -> None:
    """Compare a reading that is not the latest with those around it, and keep it there."""
    told = (reading.measured_at, reading.import_register, reading.export_register)
    recent = track.recent
    place = bisect_left(recent, told[0], key=itemgetter(0))
    last = (track.at, track.import_register, track.export_register)
    after = recent[place] if place < len(recent) else last
    if after[0] == told[0]:
        if after != told:
            words = "other registers are known at this instant"
            found.append(of_reading(Anomaly.REPLAY, reading, received_at, words))
        return
    if place:
        before = Registers._make(recent[place - 1])
        if not is_possible(before, reading, received_at, bounds, found):
            return
    following = Registers._make(after)
    if is_possible(Registers._make(told), reading, received_at, bounds, found, following):
        recent.insert(place, told)
        if len(recent) > RECENT_MAX:
            del recent[0]


def step(
    track: Track,
    reading: Reading,
    received_at: Instant,
    bounds: Bounds,
    limits: Limits,
    found: list[Finding],
) -> bool:
    """Compare what was drawn and made since the last step with what is usual, and learn it.

    Returns
    -------
    bool
        Whether a line that was flat has ended.
    """
    step_us = limits.step_us
    at, passed_us = reading.measured_at, reading.measured_at - track.step_at
    drew = (reading.import_register - track.step_import) % bounds.width
    made = (reading.export_register - track.step_export) % bounds.width
    track.step, track.step_at = at // step_us, at
    track.step_import, track.step_export = reading.import_register, reading.export_register
    scale = bounds.w_per_unit_per_us / passed_us
    drew_w, made_w = drew * scale, made * scale
    if bounds.is_placed and made > 1 and _is_dark(track, bounds, at, passed_us):
        peak_w = track.makes.peak_w if track.makes else 0.0
        if made_w > max(NIGHT_W_MIN, NIGHT_SHARE_MIN * peak_w):
            words = f"it made {made_w:.0f} W while the sun stood 6° or more below the horizon"
            found.append(of_reading(Anomaly.NIGHT_SOLAR, reading, received_at, words))
    has_ended = False
    if drew != track.last_import or made != track.last_export:
        has_ended = track.is_flat
        track.longest_flat_us = max(track.longest_flat_us, track.flat_us)
        track.flat_us, track.is_flat = 0, False
        track.last_import, track.last_export = drew, made
    elif bounds.flat_us is not None:
        track.flat_us += passed_us
        if track.flat_us >= max(bounds.flat_us, 2 * track.longest_flat_us):
            track.is_flat = True
            words = f"the same in every step for {span(track.flat_us)};"
            words += f" the longest before was {span(track.longest_flat_us)}"
            found.append(of_reading(Anomaly.FLAT_LINE, reading, received_at, words))
    if 2 * step_us // 3 <= passed_us <= 5 * step_us // 2:
        middle = at - passed_us // 2
        found.extend(
            of_reading(Anomaly.SUDDEN_CHANGE, reading, received_at, odd)
            for odd in _usual(track, middle, step_us, drew_w, made_w)
        )
    return has_ended


def _usual(track: Track, middle: int, step_us: int, drew_w: float, made_w: float) -> list[str]:
    """Compare powers with what is usual; tell what is odd, in words."""
    day, since_us = divmod(middle, DAY)
    place = since_us // step_us
    odd: list[str] = []
    draws, makes = track.draws, track.makes
    if draws is None and drew_w:
        draws = track.draws = new_pattern(DAY // step_us)
    if makes is None and made_w:
        makes = track.makes = new_pattern(DAY // step_us, is_weather=True)
    if draws is not None and (words := learn(draws, day, place, drew_w)):
        odd.append(f"it drew {words}")
    if makes is not None and (words := learn(makes, day, place, made_w)):
        odd.append(f"it made {words}")
    return odd


def _is_dark(track: Track, bounds: Bounds, at: Instant, passed_us: int) -> bool:
    """Tell whether it was dark all the time since the last step."""
    start, facts, night = Instant(at - passed_us), bounds.facts, track.night
    if night is None or not night.start <= start < night.end:
        night = track.night = night_of(start, facts.latitude_deg or 0.0, facts.longitude_deg or 0.0)
    return night.dark_from <= start and at <= night.dark_until
