/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_capture.c - any bytes as an expression and a text: all engines give the same captures.
 *
 * The expression ends at the first newline. What is refused must have a reason; now and then the
 * expression is one of several in a set, so that it is looked for in a pass before.
 */
#include <stdint.h>
#include <string.h>

#include "core/check.h"
#include "tests/unit/matcher/capture_engines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REGEX_MAX = 200, TEXT_MAX = 1000 };

static void check_in_set(struct capture_engines *engines, const char *regex, size_t len,
                         struct msg_slice text)
{
    static const char *const others[] = {"^(\\S+) first", "(\\d+) second (x)", "third: (.*)$"};
    struct capture_set *set = NULL;
    struct capture_scratch *scratch = NULL;
    struct regex_fault fault;
    const struct msg_slice *values = NULL;
    uint32_t slots[CAPTURE_SLOTS_MAX];
    int alone = capture_by_run(engines, text.ptr, text.len, slots);
    int in_set;

    CHECK(capture_set_new(&set) == 0);
    for (unsigned i = 0; i < ARRAY_COUNT(others); i++)
        CHECK(capture_set_add(set, others[i], strlen(others[i]), &fault) == i);
    CHECK(capture_set_add(set, regex, len, &fault) == 3);
    CHECK(capture_set_compile(set, NULL) == 0);
    CHECK(capture_scratch_new(set, &scratch) == 0);
    in_set = capture_set_match(set, scratch, 3, text, &values);
    CHECK(alone == CAPTURE_NO_ANSWER || in_set < 0 || in_set == alone);
    capture_scratch_free(scratch);
    capture_set_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *regex = (const char *)data;
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t len = end ? (size_t)(end - data) : size;
    const char *text = end ? (const char *)end + 1 : "";
    size_t text_len = end ? size - len - 1 : 0;
    struct capture_engines engines = {0};
    struct regex_fault fault = {0};
    const char *culprit;
    uint64_t path_answers = 0;
    int rc;

    if (len > REGEX_MAX || text_len > TEXT_MAX)
        return 0;
    rc = capture_engines_init(&engines, regex, len, &fault);
    CHECK(rc == 0 || fault.text[0] != '\0');
    if (rc == 0) {
        CHECK(capture_engines_agree(&engines, text, text_len, &culprit, &path_answers));
        if ((len + text_len) % 16 == 0)
            check_in_set(&engines, regex, len, (struct msg_slice){text, (uint32_t)text_len});
    }
    capture_engines_fini(&engines);
    return 0;
}
