/* SPDX-License-Identifier: MPL-2.0 */
#include "control/lanes/attachment.h"

#include <stdlib.h>

struct attachment *attachment_new(struct segment *take_segment)
{
    struct attachment *attachment = calloc(1, sizeof(*attachment));
    if (attachment == NULL)
        return NULL;
    attachment->segment = *take_segment;
    *take_segment = (struct segment){.lock_fd = -1};
    unsigned count = attachment->segment.header->consumer_count;
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        attachment->consumer_map[i] = i < count ? i : ATTACHMENT_NO_CONSUMER;
    atomic_init(&attachment->references, 1);
    return attachment;
}

struct attachment *attachment_get(struct attachment *attachment)
{
    atomic_fetch_add_explicit(&attachment->references, 1, memory_order_relaxed);
    return attachment;
}

void attachment_put(struct attachment *attachment)
{
    if (attachment == NULL)
        return;
    /* Acquire and release: the last one sees what the others did. */
    if (atomic_fetch_sub_explicit(&attachment->references, 1, memory_order_acq_rel) != 1)
        return;
    segment_detach(&attachment->segment);
    free(attachment);
}

void attachment_set_final(struct attachment *attachment)
{
    /* R1 pairs with A1 in attachment_is_final: heads read afterwards are the last ones. */
    atomic_store_explicit(&attachment->is_final, true, memory_order_release);
}

bool attachment_is_final(const struct attachment *attachment)
{
    return atomic_load_explicit(&attachment->is_final, memory_order_acquire); /* A1 */
}
