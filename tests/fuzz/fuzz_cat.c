/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_cat.c - heka-cat's reading on any bytes.
 *
 * Every byte is in one of the counts; the same comes out however the bytes come in; and what it
 * writes as frames it reads again, without a word.
 * The first byte of the input is how many bytes come with a read; then the file.
 */
#include <stdint.h>
#include <string.h>

#include "core/check.h"
#include "tests/unit/control/tools/cat_rig.h"

enum { MESSAGE_MAX = 1024, SIZE_LIMIT = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_books(const struct cat_rig *rig)
{
    const struct cat_counts *counts = &rig->counts;
    CHECK(rig->rc == 0);
    CHECK(counts->bytes == rig->size);
    CHECK(counts->bytes == counts->record_bytes + counts->corrupt_bytes + counts->incomplete_bytes);
    CHECK(counts->matched + counts->unreadable == counts->processed);
    CHECK((counts->corrupt_places == 0) == (counts->corrupt_bytes == 0));
    CHECK(rig->out_size == counts->record_bytes);
}

static void check_again(const struct cat_rig *rig)
{
    struct cat_rig again = {.bytes = rig->out, .size = rig->out_size, .step = SIZE_MAX};
    cat_rig_run(&again, "TRUE", CAT_HEKA, MESSAGE_MAX);
    CHECK(again.out_size == rig->out_size && again.notes_size == 0);
    CHECK(memcmp(again.out, rig->out, rig->out_size) == 0);
    CHECK(again.counts.matched == rig->counts.matched);
    cat_rig_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > SIZE_LIMIT)
        return 0;
    struct cat_rig whole = {.bytes = data + 1, .size = size - 1, .step = SIZE_MAX};
    struct cat_rig parts = {.bytes = data + 1, .size = size - 1, .step = 1U + data[0]};
    cat_rig_run(&whole, "TRUE", CAT_HEKA, MESSAGE_MAX);
    cat_rig_run(&parts, "TRUE", CAT_HEKA, MESSAGE_MAX);
    check_books(&whole);
    CHECK(memcmp(&whole.counts, &parts.counts, sizeof(whole.counts)) == 0);
    CHECK(whole.out_size == parts.out_size && whole.notes_size == parts.notes_size);
    CHECK(memcmp(whole.out, parts.out, whole.out_size) == 0);
    CHECK(memcmp(whole.notes, parts.notes, whole.notes_size) == 0);
    check_again(&whole);
    cat_rig_fini(&parts);
    cat_rig_run(&parts, "TRUE", CAT_JSON, MESSAGE_MAX);
    CHECK(parts.counts.encode_failed == 0);
    cat_rig_fini(&parts);
    cat_rig_fini(&whole);
    return 0;
}
