# SPDX-License-Identifier: MPL-2.0
"""statsd_model.py - what Heka's StatAccumInput must say, computed a second and slower way.

Written from the documented naming and formulas, not from the C code. Values are kept so that
binary floating point is exact (multiples of 1/64), so a sum does not depend on its order.
"""
import math


class Model:
    def __init__(self, interval_s, percentiles=(90,)):
        self.interval_s = interval_s
        self.percentiles = percentiles
        self.counters, self.gauges, self.timers = {}, {}, {}
        self.samples = 0

    def count(self, name, value, rate=1.0):
        self.counters[name] = self.counters.get(name, 0) + math.trunc(value / rate)
        self.samples += 1

    def gauge(self, name, value):
        self.gauges[name] = value
        self.samples += 1

    def time(self, name, value):
        self.timers.setdefault(name, []).append(value)
        self.samples += 1

    def add_line(self, line):
        """A good statsd line."""
        name, rest = line.split(":", 1)
        value, kind = rest.split("|", 1)
        kind, _, rate = kind.partition("|@")
        if kind == "c":
            self.count(name, float(value), float(rate or 1))
        elif kind == "g":
            self.gauge(name, float(value))
        else:
            assert kind == "ms", line
            self.time(name, float(value))

    def flush(self):
        """{series: value} of this flush; then counters are 0, timers empty, gauges kept."""
        out = {}
        for name, count in self.counters.items():
            out[f"stats.counters.{name}.rate"] = count / self.interval_s
            out[f"stats.counters.{name}.count"] = count
            self.counters[name] = 0
        for name, value in self.gauges.items():
            out[f"stats.gauges.{name}"] = value
        for name, values in self.timers.items():
            out.update(self.timer_series(f"stats.timers.{name}", sorted(values)))
            self.timers[name] = []
        out["stats.statsd.numStats"] = len(self.counters) + len(self.gauges) + len(self.timers)
        return {name: as_sent(value) for name, value in out.items()}

    def timer_series(self, name, values):
        count = len(values)
        out = {f"{name}.count": count, f"{name}.count_ps": count / self.interval_s,
               f"{name}.lower": values[0] if values else 0.0,
               f"{name}.upper": values[-1] if values else 0.0,
               f"{name}.sum": sum(values), f"{name}.mean": sum(values) / count if count else 0.0}
        for percentile in self.percentiles:
            inner = count - math.floor((100 - percentile) / 100 * count + 0.5)
            mean, upper = 0.0, 0.0
            if inner > 0:
                mean, upper = sum(values[:inner]) / inner, values[inner - 1]
            elif count > 0:
                mean, upper = values[0], values[-1]
            out[f"{name}.mean_{percentile}"] = mean
            out[f"{name}.upper_{percentile}"] = upper
        return out


def as_sent(value):
    """As the text of a payload line says it: integers whole, others with 6 decimals."""
    return value if isinstance(value, int) else float(f"{value:.6f}")


def pack(lines, size=1400):
    """Lines to datagrams of at most `size` bytes; a longer line gets a datagram of its own."""
    packed, used, out = [], 0, []
    for line in lines:
        data = line.encode()
        if packed and used + len(data) + 1 > size:
            out.append(b"\n".join(packed))
            packed, used = [], 0
        packed.append(data)
        used += len(data) + 1
    if packed:
        out.append(b"\n".join(packed))
    return out
