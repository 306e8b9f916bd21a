/* SPDX-License-Identifier: MPL-2.0
 *
 * test_cpus.c - where hekad's threads run, as a core map says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <string.h>

#include "control/cpus.h"

static cpu_set_t at_start;

static unsigned first_cpu(void)
{
    unsigned cpu = 0;
    while (!CPU_ISSET(cpu, &at_start))
        cpu++;
    return cpu;
}

static void assert_affinity(const cpu_set_t *expected)
{
    cpu_set_t now;
    assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
    assert_true(CPU_EQUAL(&now, expected));
}

static void a_cpu_that_is_not_allowed_has_a_text(void **state)
{
    (void)state;
    struct err err = {0};
    const struct core_map bad = {
        .hekad_cores = {.cpus = {first_cpu()}, .count = 1},
        .sandbox_cores = {.cpus = {first_cpu(), CPU_SETSIZE - 1}, .count = 2},
    };
    const struct core_map good = {.sandbox_cores = {.cpus = {first_cpu()}, .count = 1}};
    assert_int_equal(cpus_check(&bad, &err), -1);
    assert_int_equal(err.count, 1);
    assert_string_equal(err.texts[0], "core map: sandbox_cores: this process may not run on CPU "
                                      "1023: Invalid argument");
    assert_affinity(&at_start);
    assert_int_equal(cpus_check(&good, &err), 0);
    assert_affinity(&at_start);
}

static void hekads_cores_are_taken_and_given_back(void **state)
{
    (void)state;
    cpu_set_t one, others = at_start;
    struct core_map_machine machine;
    const struct core_map given = {.hekad_cores = {.cpus = {first_cpu()}, .count = 1}};
    const struct core_map polled = {.workers = {first_cpu()}, .worker_count = 1};
    CPU_ZERO(&one);
    CPU_SET(first_cpu(), &one);
    cpus_choose(&given);
    assert_affinity(&one);
    cpus_machine_read(&machine); /* as if nothing had been chosen */
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        assert_int_equal(machine.cpu_allowed(machine.arg, cpu), CPU_ISSET(cpu, &at_start) != 0);
    cpus_restore();
    assert_affinity(&at_start);
    CPU_CLR(first_cpu(), &others);
    cpus_choose(&polled);
    assert_affinity(CPU_COUNT(&others) > 0 ? &others : &at_start);
    cpus_restore();
    assert_affinity(&at_start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cpu_that_is_not_allowed_has_a_text),
        cmocka_unit_test(hekads_cores_are_taken_and_given_back),
    };
    if (sched_getaffinity(0, sizeof(at_start), &at_start) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
