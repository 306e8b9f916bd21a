/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/capture_path.h"

#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "core/check.h"
#include "matcher/capture_run.h"
#include "matcher/capture_steps.h"
#include "matcher/regex_assert.h"

enum { JUMP_COST = 8 };

struct path_walk {
    const struct capture_path *path;
    const uint8_t *begin;
    const uint8_t *end;
    int64_t budget; /* what trying one place after another may cost, in bytes */
    uint32_t *slots;
};

bool capture_path_wants_ascii(const struct capture_path *path)
{
    return path->wants_ascii;
}

/* ---- runs ---- */

static size_t run_by_bytes(const struct path_class *class, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at;

    while (at < end && class->has[*at])
        at++;
    return (size_t)(at - start);
}

#ifdef __AVX2__
/* Bit i: byte i is not of the class. Two look-ups by half bytes; the first gives 0 for bytes over
 * 127. */
static inline uint32_t stops_of(const struct path_class *class, __m256i bytes)
{
    const __m256i rows =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)class->rows));
    const __m256i bits = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0, 1,
                                          2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
    __m256i row = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
    __m256i hit =
        _mm256_and_si256(_mm256_shuffle_epi8(rows, bytes), _mm256_shuffle_epi8(bits, row));
    uint32_t stops = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(hit, _mm256_setzero_si256()));

    return class->has_high ? stops & ~(uint32_t)_mm256_movemask_epi8(bytes) : stops;
}

/* Bytes of the class from `at` on. `begin` is where the text begins: bytes in front of `at` may be
 * read. Captures of an access log line: 220 ns with run_by_bytes() alone, 170 ns so (gcc 12 -O3,
 * Sapphire Rapids, thread time, bench/regex_decode patterns-1). */
static inline size_t run_length(const struct path_class *class, const uint8_t *begin,
                                const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at;

    while (end - at >= 32) {
        uint32_t stops = stops_of(class, _mm256_loadu_si256((const __m256i *)(const void *)at));

        if (stops)
            return (size_t)(at - start) + (size_t)__builtin_ctz(stops);
        at += 32;
    }
    if (at < end && end - begin >= 32) {
        unsigned passed = 32 - (unsigned)(end - at);
        uint32_t stops =
            stops_of(class, _mm256_loadu_si256((const __m256i *)(const void *)(end - 32)));

        stops >>= passed;
        return (size_t)(at - start) + (stops ? (size_t)__builtin_ctz(stops) : (size_t)(end - at));
    }
    return (size_t)(at - start) + run_by_bytes(class, at, end);
}
#else
static inline size_t run_length(const struct path_class *class, const uint8_t *begin,
                                const uint8_t *at, const uint8_t *end)
{
    (void)begin;
    return run_by_bytes(class, at, end);
}
#endif

/* ---- steps ---- */

static inline bool literal_is_at(const struct path_walk *walk, const struct path_step *step,
                                 const uint8_t *at)
{
    size_t left = (size_t)(walk->end - at);
    uint64_t word;

    if (LIKELY(step->mask != 0 && left >= sizeof word)) {
        memcpy(&word, at, sizeof word);
        return (word & step->mask) == step->word;
    }
    return left >= step->literal_len &&
           memcmp(at, walk->path->literals + step->literal, step->literal_len) == 0;
}

/* The first place of the step's literal in first..last, or NULL. */
static const uint8_t *find_first(const struct path_walk *walk, const struct path_step *step,
                                 const uint8_t *first, const uint8_t *last)
{
    size_t room = (size_t)(walk->end - first);
    size_t size = (size_t)(last - first) + step->literal_len;

    return memmem(first, size < room ? size : room, walk->path->literals + step->literal,
                  step->literal_len);
}

static const uint8_t *find_last(const struct path_walk *walk, const struct path_step *step,
                                const uint8_t *first, const uint8_t *last)
{
    uint8_t head = walk->path->literals[step->literal];
    size_t size = (size_t)(last - first) + (last < walk->end);

    while (size > 0) {
        const uint8_t *at = memrchr(first, head, size);

        if (!at || literal_is_at(walk, step, at))
            return at;
        size = (size_t)(at - first);
    }
    return NULL;
}

/* Where the step ends, or NULL when it fails. */
static const uint8_t *take_until(struct path_walk *walk, const struct path_step *step,
                                 const uint8_t *at)
{
    const struct path_class *class = &walk->path->classes[step->class];
    size_t len = run_length(class, walk->begin, at, walk->end);

    walk->budget -= (int64_t)len;
    if (len < step->min)
        return NULL;
    if (step->code == PATH_UNTIL_FIRST)
        return find_first(walk, step, at + step->min, at + len);
    return find_last(walk, step, at + step->min, at + len);
}

static inline const uint8_t *take_run(struct path_walk *walk, const struct path_step *step,
                                      const uint8_t *at)
{
    const struct path_class *class = &walk->path->classes[step->class];
    size_t len = run_length(class, walk->begin, at, walk->end);

    walk->budget -= (int64_t)len;
    if (UNLIKELY(len > step->max))
        len = step->max;
    return LIKELY(len >= step->min) ? at + len : NULL;
}

static bool is_boundary(const struct path_walk *walk, const uint8_t *at)
{
    bool before = at > walk->begin && regex_is_word(at[-1]);
    bool after = at < walk->end && regex_is_word(*at);

    return before != after;
}

static bool assertion_holds(const struct path_walk *walk, const struct path_step *step,
                            const uint8_t *at)
{
    switch ((enum regex_op)step->assertion) {
    case REGEX_BEGIN_TEXT:
        return at == walk->begin;
    case REGEX_END_TEXT:
        return at == walk->end;
    case REGEX_BEGIN_LINE:
        return at == walk->begin || at[-1] == '\n';
    case REGEX_END_LINE:
        return at == walk->end || *at == '\n';
    case REGEX_WORD_BOUNDARY:
        return is_boundary(walk, at);
    default:
        return !is_boundary(walk, at);
    }
}

static inline bool class_allows(const struct path_walk *walk, const struct path_step *step,
                                const uint8_t *at)
{
    const struct path_class *class = &walk->path->classes[step->class];

    return at < walk->end ? class->has[*at] : class->has_end;
}

/* Tries a match that begins at `start`. */
static int walk_from(struct path_walk *walk, const uint8_t *start)
{
    const struct path_step *step = walk->path->steps;
    uint32_t *slots = walk->slots; /* slots[slot_count] takes what nobody wants */
    const uint8_t *at = start;
    bool guessed = false;

    for (;;) {
        const uint8_t *next = at;

        slots[step->save_before] = (uint32_t)(at - walk->begin);
        switch ((enum path_code)step->code) {
        case PATH_LITERAL:
            walk->budget -= step->mask != 0 ? 0 : step->literal_len;
            next = literal_is_at(walk, step, at) ? at + step->literal_len : NULL;
            break;
        case PATH_RUN:
            next = take_run(walk, step, at);
            break;
        case PATH_ONE:
            next = at < walk->end && walk->path->classes[step->class].has[*at] ? at + 1 : NULL;
            break;
        case PATH_UNTIL_FIRST:
        case PATH_UNTIL_LAST:
            next = take_until(walk, step, at);
            break;
        case PATH_TRY_CLASS:
        case PATH_TRY_LITERAL:
            if (step->code == PATH_TRY_CLASS ? !class_allows(walk, step, at)
                                             : !literal_is_at(walk, step, at)) {
                step = walk->path->steps + step->target;
                continue;
            }
            break;
        case PATH_JUMP:
            walk->budget -= JUMP_COST;
            step = walk->path->steps + step->target;
            continue;
        case PATH_ASSERT:
            next = assertion_holds(walk, step, at) ? at : NULL;
            break;
        case PATH_SAVE:
            break;
        case PATH_MATCH:
            slots[0] = (uint32_t)(start - walk->begin);
            slots[1] = (uint32_t)(at - walk->begin);
            return CAPTURE_PATH_MATCH;
        }
        if (!next)
            return guessed ? CAPTURE_PATH_UNKNOWN : CAPTURE_PATH_NO;
        at = next;
        slots[step->save_after] = (uint32_t)(at - walk->begin);
        guessed |= step->is_guess;
        step++;
    }
}

static void clear_slots(const struct path_walk *walk)
{
    memset(walk->slots, 0xFF, (walk->path->slot_count + 1) * sizeof *walk->slots);
}

/* Tries one place after another, as long as the answer at each is certain. */
static int walk_from_everywhere(struct path_walk *walk)
{
    const struct path_class *starts = &walk->path->classes[walk->path->starts];

    for (const uint8_t *at = walk->begin; at < walk->end; at++) {
        int rc;

        if (!starts->has[*at])
            continue;
        clear_slots(walk);
        rc = walk_from(walk, at);
        if (rc != CAPTURE_PATH_NO)
            return rc;
        if (walk->budget < 0)
            return CAPTURE_PATH_UNKNOWN;
    }
    return CAPTURE_PATH_NO;
}

int capture_path_match(const struct capture_path *path, const char *text, size_t len,
                       uint32_t *slots)
{
    const uint8_t *begin = (const uint8_t *)text;
    struct path_walk walk = {path, begin, begin + len, 8 * (int64_t)len + 4096, slots};
    int rc;

    if (path->has_starts && !path->is_anchored)
        return walk_from_everywhere(&walk);
    clear_slots(&walk);
    rc = walk_from(&walk, begin);
    if (rc == CAPTURE_PATH_NO && !path->is_anchored)
        rc = CAPTURE_PATH_UNKNOWN; /* another place may do */
    return rc;
}
