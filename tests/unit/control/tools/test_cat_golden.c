/* SPDX-License-Identifier: MPL-2.0
 *
 * test_cat_golden.c - heka-cat over the files of tests/golden/cat: messages as JSON, then what it
 * says, then its counts. However the bytes come in.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/support/golden.h"
#include "tests/unit/control/tools/cat_rig.h"

enum { MESSAGE_MAX = 1024 };

static void put_all(const struct cat_rig *rig, struct buffer *out)
{
    const struct cat_counts *counts = &rig->counts;
    buffer_append(out, rig->out, rig->out_size);
    buffer_append(out, rig->notes, rig->notes_size);
    buffer_printf(out,
                  "processed %" PRIu64 " unreadable %" PRIu64 " matched %" PRIu64 " places %" PRIu64
                  " bytes %" PRIu64 " = %" PRIu64 " + %" PRIu64 " + %" PRIu64 "\n",
                  counts->processed, counts->unreadable, counts->matched, counts->corrupt_places,
                  counts->bytes, counts->record_bytes, counts->corrupt_bytes,
                  counts->incomplete_bytes);
}

static void run(const char *name, const struct buffer *in, struct buffer *out)
{
    static const size_t steps[] = {SIZE_MAX, 1, 7};
    (void)name;
    for (unsigned i = 0; i < 3; i++) {
        struct cat_rig rig = {.bytes = in->data, .size = in->size, .step = steps[i]};
        struct buffer again = {0};
        cat_rig_run(&rig, "TRUE", CAT_JSON, MESSAGE_MAX);
        put_all(&rig, i == 0 ? out : &again);
        if (i > 0 && (again.size != out->size || memcmp(again.data, out->data, out->size) != 0))
            buffer_printf(out, "differs in steps of %zu:\n%.*s", steps[i], (int)again.size,
                          again.data);
        buffer_fini(&again);
        cat_rig_fini(&rig);
    }
}

static void test_golden(void **state)
{
    (void)state;
    assert_int_equal(golden_run("cat", 10, run), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
