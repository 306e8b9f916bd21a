/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/support/splitter_rig.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

static int apply(struct splitter_rig *rig, const struct conf_node *section,
                 const struct splitter_ops *ops, struct splitter_options *common, struct err *err)
{
    const struct schema *const with_common[] = {ops->common, NULL};
    const struct schema *const with_own[] = {ops->plugin.schema, NULL};
    rig->config = calloc(1, ops->plugin.config_size + 1);
    if (rig->config == NULL)
        return err_add(err, "out of memory");
    int rc = schema_apply(ops->plugin.schema, section, "splitter", with_common, rig->doc,
                          rig->config, err);
    return rc | schema_apply(ops->common, section, "splitter", with_own, rig->doc, common, err);
}

int splitter_rig_open(struct splitter_rig *rig, const char *toml, size_t message_max,
                      struct err *err)
{
    *rig = (struct splitter_rig){0};
    if (toml_parse(toml, strlen(toml), "splitter.toml", NULL, &rig->doc, err) != 0)
        return -1;
    const struct conf_node *section = conf_get(conf_root(rig->doc), "splitter");
    const struct conf_node *type = section != NULL ? conf_get(section, "type") : NULL;
    const struct splitter_ops *ops =
        type != NULL && type->type == CONF_STRING ? splitter_by_name(type->str) : &token_split_ops;
    if (section == NULL || ops == NULL) {
        splitter_rig_close(rig);
        return err_add(err, "no such splitter");
    }
    struct splitter_options common = {0};
    struct splitter_host host = {
        .context = &rig->regexes, .message_max = message_max, .compile = split_regexes_compile};
    int rc = apply(rig, section, ops, &common, err);
    if (rc == 0)
        rc = splitter_init(&rig->splitter, ops, rig->config, &common, &host, err);
    rig->is_open = rc == 0;
    if (rc != 0)
        splitter_rig_close(rig);
    return rc;
}

void splitter_rig_close(struct splitter_rig *rig)
{
    if (rig->is_open)
        splitter_fini(&rig->splitter);
    split_regexes_fini(&rig->regexes);
    free(rig->config);
    conf_doc_free(rig->doc);
    *rig = (struct splitter_rig){0};
}

static void append_text(struct buffer *out, struct msg_slice text)
{
    for (uint32_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.ptr[i];
        if (byte == '\\' || byte == '\n')
            CHECK(buffer_append_text(out, byte == '\n' ? "\\n" : "\\\\") == 0);
        else if (byte < 0x20 || byte >= 0x7f)
            CHECK(buffer_printf(out, "\\x%02x", byte) == 0);
        else
            CHECK(buffer_append(out, &byte, 1) == 0);
    }
}

/* Texts that are long show their ends only. */
static void append_piece(struct buffer *out, const struct split_piece *piece)
{
    enum { SHOWN = 100 };
    struct msg_slice text = piece->record;
    CHECK(buffer_printf(out, "%s %zu%s%s: ", split_outcome_name(piece->outcome), piece->consumed,
                        piece->signer != NULL ? " " : "",
                        piece->signer != NULL ? piece->signer : "") == 0);
    if (text.len > 2 * SHOWN) {
        append_text(out, (struct msg_slice){text.ptr, SHOWN});
        CHECK(buffer_printf(out, " .. %" PRIu32 " .. ", text.len) == 0);
        text = (struct msg_slice){text.ptr + text.len - SHOWN, SHOWN};
    }
    append_text(out, text);
    CHECK(buffer_append_text(out, "\n") == 0);
}

static void check_piece(const struct split_piece *piece, struct msg_slice bytes,
                        const struct splitter *splitter)
{
    CHECK(piece->consumed <= bytes.len && (piece->consumed > 0) == (piece->outcome != SPLIT_MORE));
    CHECK(split_is_record(piece->outcome) == (piece->record.len > 0));
    CHECK(piece->record.len <= splitter->record_max);
    if (piece->record.len > 0)
        CHECK(piece->record.ptr >= bytes.ptr &&
              piece->record.ptr + piece->record.len <= bytes.ptr + bytes.len);
}

/* One call after the other for what is there; returns the bytes consumed. */
static size_t split_all(struct split_stream *stream, struct msg_slice bytes,
                        enum split_source source, struct buffer *out, struct split_counts *counts)
{
    size_t done = 0;
    char *copy = malloc(bytes.len + (bytes.len == 0)); /* ASan sees a read past the end */
    CHECK(copy != NULL);
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    for (;;) {
        struct msg_slice rest = {copy + done, bytes.len - (uint32_t)done};
        struct split_piece piece;
        enum split_outcome outcome = split_next(stream, rest, source, &piece, counts);
        check_piece(&piece, rest, stream->splitter);
        if (outcome == SPLIT_MORE)
            break;
        done += piece.consumed;
        if (out != NULL)
            append_piece(out, &piece);
    }
    free(copy);
    return done;
}

size_t splitter_rig_feed(const struct splitter_rig *rig, const struct rig_feed *feed,
                         struct buffer *out, struct split_counts *counts)
{
    size_t start = 0, end = feed->first < feed->size ? feed->first : feed->size;
    struct split_stream *stream =
        aligned_alloc(16, (splitter_stream_size(&rig->splitter) + 15) & ~(size_t)15);
    CHECK(stream != NULL);
    split_stream_init(stream, &rig->splitter);
    for (;;) {
        bool is_last = end == feed->size;
        start += split_all(stream, (struct msg_slice){feed->bytes + start, (uint32_t)(end - start)},
                           is_last ? feed->end : SPLIT_GOES_ON, out, counts);
        CHECK(end - start < splitter_buffer_max(&rig->splitter));
        if (is_last)
            break;
        end = feed->portion == 0 || feed->size - end < feed->portion ? feed->size
                                                                     : end + feed->portion;
    }
    CHECK(feed->end != SPLIT_ENDS || start == feed->size);
    free(stream);
    return start;
}
