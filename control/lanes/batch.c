/* SPDX-License-Identifier: MPL-2.0 */
#include "control/lanes/batch.h"

#include <errno.h>

#include "core/check.h"
#include "core/frame.h"

void batch_begin(struct batch *batch)
{
    batch->count = 0;
    batch->done = 0;
    buffer_clear(&batch->bytes);
}

static int append_framed(struct batch *batch)
{
    size_t size = batch->unframed.size;
    struct frame_signer signer;
    int rc = buffer_reserve(&batch->bytes, size + FRAME_OVERHEAD_MAX);
    if (rc != 0)
        return rc;
    int64_t framed = frame_write(batch->bytes.data + batch->bytes.size, size + FRAME_OVERHEAD_MAX,
                                 batch->unframed.data, size, batch->message_size_max,
                                 signer_options_frame(&batch->instance->common.signer, &signer));
    if (framed < 0)
        return (int)framed;
    batch->bytes.size += (size_t)framed;
    return 0;
}

/* Appends one message's bytes. NULL, or why there are none. */
static const char *encode(struct batch *batch, const struct msg_view *message)
{
    const struct encoder_instance *encoder = batch->instance->encoder;
    bool is_framed = batch->instance->use_framing;
    struct buffer *out = is_framed ? &batch->unframed : &batch->bytes;
    size_t before = batch->bytes.size;
    buffer_clear(&batch->unframed);
    int rc = encoder->ops->encode(batch->encoder_state, encoder->options, message, out);
    if (rc == 0 && is_framed && batch->unframed.size > 0)
        rc = append_framed(batch);
    if (rc != 0)
        return rc == -EMSGSIZE ? "too_large" : "encode_failed";
    /* The encoder's will; not a failure. */
    return batch->bytes.size == before ? "nothing_to_send" : NULL;
}

const char *batch_add(struct batch *batch, const struct batch_message *message)
{
    CHECK(batch->count < BATCH_MAX);
    struct output_item *item = &batch->items[batch->count];
    size_t offset = batch->bytes.size;
    const char *reason = NULL;
    *item = (struct output_item){.record = message->record};
    if (msg_view_init(&item->message, message->bytes, message->size) != 0)
        reason = "malformed";
    else if (batch->instance->encoder != NULL)
        reason = encode(batch, &item->message);
    if (reason != NULL) {
        batch->bytes.size = offset;
        if (batch->count > 0)
            batch->ends[batch->count - 1] = message->end;
        return reason;
    }
    item->size = batch->bytes.size - offset;
    batch->offsets[batch->count] = offset;
    batch->ends[batch->count++] = message->end;
    return NULL;
}

void batch_finish(struct batch *batch)
{
    /* Only now does the buffer stay where it is. */
    for (unsigned i = 0; i < batch->count && batch->instance->encoder != NULL; i++)
        batch->items[i].bytes = batch->bytes.data + batch->offsets[i];
}

void batch_fini(struct batch *batch)
{
    buffer_fini(&batch->bytes);
    buffer_fini(&batch->unframed);
}
