/* SPDX-License-Identifier: MPL-2.0 */
#include "control/tools/cat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec/encoder.h"
#include "codec/message_json.h"
#include "core/frame.h"

enum {
    CAPACITY_MIN = 64 << 10,
    SEARCH_FACTOR = 8 /* unreadable frames are searched as long as that is linear in the input */
};

int cat_init(struct cat *cat, const struct cat_options *options)
{
    *cat = (struct cat){.options = *options};
    /* Escapes of JSON make six bytes of one. */
    cat->text.max_size = BUFFER_MAX_DEFAULT + 8 * options->message_max;
    return ruleset_scratch_new(options->rules, &cat->scratch);
}

void cat_fini(struct cat *cat)
{
    ruleset_scratch_free(cat->scratch);
    buffer_fini(&cat->text);
    free(cat->bytes);
    *cat = (struct cat){0};
}

/* ---- output ---- */

static void write_bytes(struct cat *cat, const void *bytes, size_t size)
{
    if (cat->write_rc == 0 && fwrite(bytes, 1, size, cat->options.out) != size)
        cat->write_rc = errno != 0 ? -errno : -EIO;
}

static int encode(struct cat *cat, const struct msg_view *view)
{
    buffer_clear(&cat->text);
    if (cat->options.format == CAT_TXT)
        return rst_encoder.encode(NULL, NULL, view, &cat->text);
    int rc = message_json(view, &cat->text);
    return rc == 0 ? buffer_append(&cat->text, "\n", 1) : rc;
}

static void write_message(struct cat *cat, unsigned index)
{
    cat->counts.matched++;
    if (cat->options.format == CAT_COUNT)
        return;
    if (cat->options.format == CAT_HEKA) {
        write_bytes(cat, cat->records[index].bytes, cat->records[index].size);
    } else if (encode(cat, &cat->views[index]) == 0) {
        write_bytes(cat, cat->text.data, cat->text.size);
    } else {
        cat->counts.encode_failed++;
    }
}

/* What was found so far; before the buffer moves. */
static void write_burst(struct cat *cat)
{
    uint64_t masks[CAT_BURST];
    if (cat->count == 0)
        return;
    ruleset_match(cat->options.rules, cat->scratch, cat->views, NULL, cat->count, masks, 1);
    for (unsigned i = 0; i < cat->count; i++) {
        if ((masks[i] & 1) != 0)
            write_message(cat, i);
    }
    cat->count = 0;
}

/* ---- input ---- */

static void consume(struct cat *cat, size_t size)
{
    cat->start += size;
    cat->offset += size;
}

static void report_corruption(struct cat *cat)
{
    if (cat->corrupt_run == 0)
        return;
    fprintf(cat->options.notes, "Corruption detected at offset: %" PRIu64 " bytes: %" PRIu64 "\n",
            cat->offset - cat->corrupt_run, cat->corrupt_run);
    cat->counts.corrupt_bytes += cat->corrupt_run;
    cat->counts.corrupt_places++;
    cat->corrupt_run = 0;
}

static void pass_over(struct cat *cat, size_t size)
{
    cat->corrupt_run += size;
    consume(cat, size);
}

/* Goes on one byte behind the start, so that frames are found that a wrong length would cover. How
 * much may be searched depends on the offset only, not on how the stream comes in. */
static void refuse_message(struct cat *cat, size_t frame_size, int why)
{
    uint64_t seen = cat->offset - cat->first + frame_size;
    fprintf(cat->options.notes, "Error unmarshalling message at offset: %" PRIu64 " error: %s\n",
            cat->offset, msg_error_text(why));
    cat->counts.unreadable++;
    if (cat->searched + frame_size > SEARCH_FACTOR * seen) {
        pass_over(cat, frame_size);
        return;
    }
    cat->searched += frame_size;
    pass_over(cat, 1);
}

static void take_frame(struct cat *cat, const struct frame *frame, size_t size)
{
    cat->counts.processed++;
    int rc = msg_view_init(&cat->views[cat->count], frame->message, frame->message_size);
    if (rc != 0) {
        refuse_message(cat, size, rc);
        return;
    }
    report_corruption(cat);
    cat->records[cat->count++] =
        (struct cat_record){(const uint8_t *)cat->bytes + cat->start, size};
    cat->counts.record_bytes += size;
    consume(cat, size);
    if (cat->count == CAT_BURST)
        write_burst(cat);
}

/* Takes what is whole. */
static void scan(struct cat *cat)
{
    for (;;) {
        struct frame frame;
        size_t consumed;
        enum frame_status status = frame_scan(cat->bytes + cat->start, cat->end - cat->start,
                                              cat->options.message_max, &frame, &consumed);
        if (status == FRAME_MORE)
            return;
        if (status == FRAME_OK)
            take_frame(cat, &frame, consumed);
        else
            pass_over(cat, consumed);
    }
}

/* Makes room behind what is left: half of the buffer at least is free then. */
static int make_room(struct cat *cat)
{
    size_t left = cat->end - cat->start;
    if (cat->start > 0 && left > 0)
        memmove(cat->bytes, cat->bytes + cat->start, left);
    cat->start = 0;
    cat->end = left;
    if (left <= cat->capacity / 2 && cat->capacity > 0)
        return 0;
    size_t capacity = cat->capacity > 0 ? 2 * cat->capacity : CAPACITY_MIN;
    char *bytes = realloc(cat->bytes, capacity);
    if (bytes == NULL)
        return -ENOMEM;
    cat->bytes = bytes;
    cat->capacity = capacity;
    return 0;
}

/* Place of the next frame with a readable message from `at` on, or cat->end. */
static size_t find_readable(struct cat *cat, size_t at)
{
    uint64_t limit = SEARCH_FACTOR * (cat->offset - cat->first + (cat->end - cat->start));
    while (at < cat->end) {
        struct frame frame;
        struct msg_view view;
        size_t consumed;
        enum frame_status status =
            frame_scan(cat->bytes + at, cat->end - at, cat->options.message_max, &frame, &consumed);
        if (status == FRAME_OK) {
            cat->searched += consumed;
            if (cat->searched > limit)
                break;
            if (msg_view_init(&view, frame.message, frame.message_size) == 0)
                return at;
        }
        at += status == FRAME_OK || status == FRAME_MORE ? 1 : consumed;
    }
    return cat->end;
}

/* What is left begins a frame. If that is cut, nothing is behind it; if its length is wrong, frames
 * are. */
static void end_stream(struct cat *cat)
{
    while (cat->start < cat->end) {
        size_t at = find_readable(cat, cat->start + 1);
        if (at < cat->end) {
            pass_over(cat, at - cat->start);
            scan(cat);
            continue;
        }
        size_t left = cat->end - cat->start;
        report_corruption(cat);
        fprintf(cat->options.notes,
                "Incomplete message at the end at offset: %" PRIu64 " bytes: %zu\n", cat->offset,
                left);
        cat->counts.incomplete_bytes += left;
        consume(cat, left);
    }
    report_corruption(cat);
    write_burst(cat);
}

int cat_stream(struct cat *cat, cat_read_fn read, void *context, uint64_t offset)
{
    int64_t got;
    cat->start = cat->end = 0;
    cat->offset = cat->first = offset;
    cat->searched = 0;
    do {
        write_burst(cat);
        if (cat->write_rc != 0)
            return cat->write_rc;
        int rc = make_room(cat);
        got = rc == 0 ? read(context, cat->bytes + cat->end, cat->capacity - cat->end) : rc;
        if (got > 0) {
            cat->end += (size_t)got;
            cat->counts.bytes += (uint64_t)got;
            scan(cat);
        }
    } while (got > 0);
    end_stream(cat);
    return got < 0 ? (int)got : cat->write_rc;
}
