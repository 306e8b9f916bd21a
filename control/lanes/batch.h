/* SPDX-License-Identifier: MPL-2.0
 *
 * batch.h - messages for one call of an output: checked, encoded, framed.
 *
 * Place:   consumer.c fills one from lanes or from the disk queue.
 * Threads: the consumer's.
 * Memory:  two buffers that grow to the largest batch; items point into them and into the source.
 * Failure: a message that does not become an item ends under the name that batch_add() returns.
 * Bounds:  BATCH_MAX messages.
 */
#ifndef CONTROL_BATCH_H
#define CONTROL_BATCH_H

#include "control/plugins/instances.h"
#include "core/buffer.h"

enum { BATCH_MAX = 256 };

struct batch_message {           /* of a source */
    const struct record *record; /* NULL: from the disk queue */
    const void *bytes;
    size_t size;
    uint64_t end; /* the source's position behind it */
};

struct batch { /* zero-initialise and set the first three */
    const struct output_instance *instance;
    void *encoder_state;
    size_t message_size_max;

    struct output_item items[BATCH_MAX];
    uint64_t ends[BATCH_MAX]; /* the source's position behind the item and all before the next */
    size_t offsets[BATCH_MAX];
    unsigned count, done;
    struct buffer bytes, unframed;
};

void batch_begin(struct batch *batch);

/* One more; the source's bytes have to stay until the batch is done. NULL, or the reason why the
 * message ended here: its position goes to the item before it. */
const char *batch_add(struct batch *batch, const struct batch_message *message);

/* All are there: items can be delivered. */
void batch_finish(struct batch *batch);
void batch_fini(struct batch *batch);

#endif
