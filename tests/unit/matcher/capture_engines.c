/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/matcher/capture_engines.h"

#include <string.h>

#include "core/check.h"
#include "matcher/utf8_text.h"

int capture_engines_init(struct capture_engines *engines, const char *text, size_t len,
                         struct regex_fault *fault)
{
    int rc = capture_tree_new(text, len, &engines->tree, fault);

    if (rc < 0)
        return rc;
    CHECK(capture_path_new(engines->tree, &engines->path) == 0);
    CHECK(capture_pcre_scratch_new(&engines->pcre_scratch) == 0);
    if (!engines->tree->has_nullable_loop) {
        (void)capture_pcre_new(engines->tree, true, &engines->ascii_pcre);
        (void)capture_pcre_new(engines->tree, false, &engines->utf8_pcre);
    }
    rc = capture_program_new(engines->tree, &engines->program);
    if (rc == 0)
        rc = capture_run_scratch_fit(&engines->run_scratch, engines->program);
    if (rc == 0)
        rc = capture_set_new(&engines->set);
    if (rc == 0)
        rc = (int)capture_set_add(engines->set, text, len, fault);
    if (rc == 0)
        rc = capture_set_compile(engines->set, NULL);
    return rc < 0 ? rc : capture_scratch_new(engines->set, &engines->scratch);
}

void capture_engines_fini(struct capture_engines *engines)
{
    capture_scratch_free(engines->scratch);
    capture_set_free(engines->set);
    capture_run_scratch_fini(&engines->run_scratch);
    capture_program_free(engines->program);
    capture_pcre_scratch_free(engines->pcre_scratch);
    capture_pcre_free(engines->ascii_pcre);
    capture_pcre_free(engines->utf8_pcre);
    capture_path_free(engines->path);
    capture_tree_free(engines->tree);
    *engines = (struct capture_engines){0};
}

static bool is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] & 0x80)
            return false;
    }
    return true;
}

int capture_by_path(struct capture_engines *engines, const char *text, size_t len, uint32_t *slots)
{
    int rc;

    if (!engines->path || (capture_path_wants_ascii(engines->path) && !is_ascii(text, len)))
        return CAPTURE_NO_ANSWER;
    rc = capture_path_match(engines->path, text, len, slots);
    return rc == CAPTURE_PATH_UNKNOWN ? CAPTURE_NO_ANSWER : rc;
}

int capture_by_pcre(struct capture_engines *engines, bool utf8, const char *text, size_t len,
                    uint32_t *slots)
{
    const struct capture_pcre *code = utf8 ? engines->utf8_pcre : engines->ascii_pcre;
    int rc;

    if (!code || (utf8 ? utf8_valid_size(text, len) < len : !is_ascii(text, len)))
        return CAPTURE_NO_ANSWER;
    rc = capture_pcre_match(code, engines->pcre_scratch, text, len, slots);
    return rc < 0 ? CAPTURE_NO_ANSWER : rc;
}

int capture_by_run(struct capture_engines *engines, const char *text, size_t len, uint32_t *slots)
{
    int rc = capture_run(engines->program, &engines->run_scratch, text, len, slots);

    return rc < 0 ? CAPTURE_NO_ANSWER : rc;
}

/* The set does not say where the match as a whole is. */
int capture_by_set(struct capture_engines *engines, const char *text, size_t len, uint32_t *slots)
{
    struct msg_slice slice = {text, (uint32_t)len};
    const struct msg_slice *values = NULL;
    int rc;

    capture_scratch_forget(engines->scratch);
    rc = capture_set_match(engines->set, engines->scratch, 0, slice, &values);
    for (uint32_t i = 0; rc == 1 && i < engines->tree->group_count; i++) {
        bool is_set = values[i].ptr != NULL;
        uint32_t start = is_set && len > 0 ? (uint32_t)(values[i].ptr - text) : 0;

        slots[2 * i + 2] = is_set ? start : CAPTURE_UNSET;
        slots[2 * i + 3] = is_set ? start + values[i].len : CAPTURE_UNSET;
    }
    return rc < 0 ? CAPTURE_NO_ANSWER : rc;
}

struct answer {
    const char *name;
    int result;
    uint32_t slots[CAPTURE_SLOTS_MAX];
};

bool capture_engines_agree(struct capture_engines *engines, const char *text, size_t len,
                           const char **culprit, uint64_t *path_answers)
{
    struct answer measure = {.name = "run"};
    struct answer answers[4] = {
        {.name = "path"}, {.name = "pcre"}, {.name = "pcre utf8"}, {.name = "set"}};
    uint32_t slot_count = 2 * (engines->tree->group_count + 1);

    measure.result = capture_by_run(engines, text, len, measure.slots);
    answers[0].result = capture_by_path(engines, text, len, answers[0].slots);
    answers[1].result = capture_by_pcre(engines, false, text, len, answers[1].slots);
    answers[2].result = capture_by_pcre(engines, true, text, len, answers[2].slots);
    answers[3].result = capture_by_set(engines, text, len, answers[3].slots);
    *path_answers += answers[0].result != CAPTURE_NO_ANSWER;
    memcpy(answers[3].slots, measure.slots, 2 * sizeof measure.slots[0]);
    for (unsigned i = 0; i < ARRAY_COUNT(answers); i++) {
        bool same_slots = measure.result != 1 || memcmp(measure.slots, answers[i].slots,
                                                        slot_count * sizeof(uint32_t)) == 0;

        *culprit = answers[i].name;
        if (measure.result != CAPTURE_NO_ANSWER && answers[i].result != CAPTURE_NO_ANSWER &&
            (answers[i].result != measure.result || !same_slots))
            return false;
    }
    return true;
}

void capture_slots_text(int result, const uint32_t *slots, uint32_t count, struct buffer *out)
{
    buffer_clear(out);
    if (result != 1)
        (void)buffer_append_text(out, result == 0 ? "-" : "?");
    for (uint32_t i = 0; result == 1 && i < count; i++)
        (void)buffer_printf(out, "%s%d", i > 0 ? "," : "", (int)slots[i]);
    (void)buffer_append(out, "", 1);
}
