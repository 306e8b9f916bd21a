/* SPDX-License-Identifier: MPL-2.0
 *
 * attachment.h - one data plane's segment, as hekad reads it, shared by all consumers.
 *
 * Place:   daemon.c attaches; each reader holds a reference, so that the lanes of a data plane
 *          that died stay until the last consumer has read them, while the next data plane runs
 *          already.
 * Threads: get, put and the flag [any]; everything else is immutable.
 * Memory:  the last attachment_put() detaches the segment.
 */
#ifndef CONTROL_ATTACHMENT_H
#define CONTROL_ATTACHMENT_H

#include <stdatomic.h>

#include "core/segment.h"

enum { ATTACHMENT_NO_CONSUMER = UINT32_MAX };

struct attachment {
    struct segment segment;
    /* Consumer of this configuration to consumer of the segment; they differ when the segment was
     * left by an earlier run with another configuration. */
    uint32_t consumer_map[RECORD_CONSUMERS_MAX];
    _Atomic bool is_final; /* the data plane is gone: nothing will be added */
    _Atomic unsigned references;
};

/* Takes over the mapped segment; one reference. Consumer i is the segment's consumer i. NULL when
 * memory is out, and the segment is still the caller's. */
struct attachment *attachment_new(struct segment *take_segment);
struct attachment *attachment_get(struct attachment *attachment);
void attachment_put(struct attachment *attachment); /* NULL is fine */

/* Everything that was ever published can be read now. */
void attachment_set_final(struct attachment *attachment);
bool attachment_is_final(const struct attachment *attachment);

#endif
