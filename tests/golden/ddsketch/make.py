#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""make.py - golden data for stats/ddsketch: values in, bins, sums and quantiles out.

Computed with rational and 60-digit decimal arithmetic, from the paper's definitions alone.
Writes one file for each case beside itself. Lines of a case:

    alpha A / bins N                parameters
    add VALUE WEIGHT                in this order; reals as C's "%a", weights in units of 2^-20
    bin +|- INDEX WEIGHT            what the two stores hold, by index
    zero W / collapsed W / weight W
    sum V / squares V / min V / max V
    quantile Q TRUE ESTIMATE        TRUE is the value of that rank; ESTIMATE the bin's middle
"""
import math
import os
import random
from decimal import Decimal, getcontext
from fractions import Fraction

getcontext().prec = 60
ONE = 1 << 20
HERE = os.path.dirname(os.path.abspath(__file__))
QUANTILES = [0.0, 0.0123, 0.25, 0.5, 0.6543, 0.75, 0.9011, 0.9517, 0.9903, 0.99903, 1.0]


def index_of(magnitude, log_gamma):
    exact = Decimal(magnitude).ln() / log_gamma
    index = math.ceil(exact)
    near = abs(exact - exact.to_integral_value())
    # Which bin a value on an edge goes to may differ by rounding; such a value is no test.
    assert near > Decimal("1e-9"), magnitude
    return index


def middle_of(index, log_gamma, alpha):
    gamma = (1 + alpha) / (1 - alpha)
    return (log_gamma * index).exp() * 2 / (gamma + 1)


def collapse(store, bins_max):
    if not store:
        return 0
    lowest = max(store) - bins_max + 1
    gone = sum(weight for index, weight in store.items() if index < lowest)
    for index in [index for index in store if index < lowest]:
        del store[index]
    if gone:
        store[lowest] = store.get(lowest, 0) + gone
    return gone


def rank_of(q, weight):
    exact = Fraction(q) * Fraction(weight - ONE, ONE)
    near = abs(exact - round(exact))
    assert near == 0 or near > Fraction(1, 10**6), (q, weight)
    return math.floor(exact) * ONE


def value_at(pairs, rank):
    for value, weight in pairs:
        if rank < weight:
            return value
        rank -= weight
    raise AssertionError


def hold(value):
    return max(min(value, 1.7976931348623157e308), -1.7976931348623157e308)


def nearest(exact):
    try:
        return hold(float(exact))
    except OverflowError:
        return hold(math.inf if exact > 0 else -math.inf)


def case(name, alpha, bins_max, samples):
    decimal_alpha = Decimal(alpha)  # the double's exact value
    log_gamma = ((1 + decimal_alpha) / (1 - decimal_alpha)).ln()
    stores, zero = [{}, {}], 0
    for value, weight in samples:
        if abs(value) < 2.0**-1022:
            zero += weight
            continue
        store = stores[value < 0]
        index = index_of(abs(value), log_gamma)
        store[index] = store.get(index, 0) + weight
    collapsed = sum(collapse(store, bins_max) for store in stores)
    weight = sum(weight for _, weight in samples)
    total = sum(Fraction(hold(value * (w / ONE))) for value, w in samples)
    squares = sum(Fraction(hold(value * value * (w / ONE))) for value, w in samples)
    low, high = min(v for v, _ in samples), max(v for v, _ in samples)
    ascending = [(-middle_of(i, log_gamma, decimal_alpha), stores[1][i])
                 for i in sorted(stores[1], reverse=True)]
    ascending += [(Decimal(0), zero)] if zero else []
    ascending += [(middle_of(i, log_gamma, decimal_alpha), stores[0][i]) for i in sorted(stores[0])]
    ascending = [(float(min(max(v, Decimal(low)), Decimal(high))), w) for v, w in ascending]
    exact = sorted(samples)
    lines = ["# SPDX-License-Identifier: MPL-2.0", f"alpha {float(alpha).hex()}",
             f"bins {bins_max}"]
    lines += [f"add {value.hex()} {w}" for value, w in samples]
    for sign, store in zip("+-", stores):
        lines += [f"bin {sign} {index} {store[index]}" for index in sorted(store)]
    lines += [f"zero {zero}", f"collapsed {collapsed}", f"weight {weight}"]
    lines += [f"sum {nearest(total).hex()}", f"squares {nearest(squares).hex()}"]
    lines += [f"min {low.hex()}", f"max {high.hex()}"]
    for q in QUANTILES:
        rank = rank_of(q, weight)
        true = value_at(exact, rank)
        estimate = low if q == 0 else high if q == 1 else value_at(ascending, rank)
        lines.append(f"quantile {q.hex()} {true.hex()} {estimate.hex()}")
    with open(os.path.join(HERE, name + ".case"), "w", encoding="ascii") as out:
        out.write("\n".join(lines) + "\n")


def main():
    rng = random.Random(20190805)
    case("uniform", 0.01, 2048, [(rng.uniform(0, 1000), ONE) for _ in range(300)])
    case("lognormal", 0.01, 2048, [(rng.lognormvariate(3, 2), ONE) for _ in range(300)])
    case("wide", 0.05, 2048, [(10 ** rng.uniform(-20, 20), ONE) for _ in range(200)])
    case("collapsing", 0.02, 64, [(10 ** rng.uniform(-3, 3), ONE) for _ in range(300)])
    case("both_signs", 0.01, 512, [(rng.gauss(0, 50), ONE) for _ in range(250)]
         + [(0.0, ONE)] * 20)
    rates = [1, 0.5, 0.1, 0.3, 0.01]
    case("weights", 0.01, 2048, [(rng.expovariate(0.1), round(ONE / rng.choice(rates)))
                                 for _ in range(250)])
    extremes = (1.7e308, -1.7e308, 3e-308, -3e-308, 1e-310, 5e-324, 0.0, 1.0000001, 1e300, 1.3,
                1.7e308)
    case("extremes", 0.001, 65536, [(value, ONE) for value in extremes])
    case("one", 0.01, 2048, [(42.5, ONE)])
    case("negative_collapsing", 0.01, 32, [(-(10 ** rng.uniform(0, 2)), ONE) for _ in range(200)])


if __name__ == "__main__":
    main()
