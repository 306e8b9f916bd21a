/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/spill.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/check.h"

int spill_init(struct spill *spill, size_t message_max, struct err *err)
{
    spill->message_max = message_max;
    spill->size = SPILL_LARGEST * message_max;
    void *base = mmap(NULL, spill->size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return err_add(err, "no memory for decoded messages: %s", strerror(errno));
    spill->bytes = base;
    return 0;
}

void spill_fini(struct spill *spill)
{
    if (spill->bytes != NULL)
        munmap(spill->bytes, spill->size);
    spill->bytes = NULL;
}

bool spill_begin(struct spill *spill, struct message_sink *sink, struct msg_builder *builder,
                 uint64_t timestamp_ns)
{
    if (spill->count == SPILL_MESSAGES_MAX || spill->size - spill->used < spill->message_max)
        return false;
    message_sink_begin_at(sink, builder, spill->bytes + spill->used, timestamp_ns);
    return true;
}

void spill_add(struct spill *spill, struct message_sink *sink, const struct msg_builder *builder,
               const struct sink_source *source)
{
    int64_t size = msg_builder_finish(builder);
    sink->counters->values[COUNTER_MESSAGES_CREATED]++;
    if (size < 0) {
        sink->counters->values[COUNTER_MESSAGES_TOO_LARGE]++;
        return;
    }
    CHECK(builder->bytes == spill->bytes + spill->used);
    spill->items[spill->count++] =
        (struct spill_item){.source = *source, .offset = spill->used, .size = (size_t)size};
    spill->used += (size_t)size;
}

static void forget(struct spill *spill)
{
    spill->count = spill->done_count = 0;
    spill->used = 0;
}

bool spill_push(struct spill *spill, struct message_sink *sink)
{
    while (spill->done_count < spill->count) {
        const struct spill_item *item = &spill->items[spill->done_count];
        if (!message_sink_make_room(sink, 1))
            return false;
        int rc = message_sink_stage_bytes(sink, spill->bytes + item->offset, item->size,
                                          &item->source);
        CHECK(rc == 0); /* our own builder wrote it */
        sink->counters->values[COUNTER_MESSAGES_CREATED]--; /* spill_add() has counted it */
        spill->done_count++;
    }
    forget(spill);
    return true;
}

void spill_give_up(struct spill *spill, struct message_sink *sink, enum counter_id reason)
{
    sink->counters->values[reason] += spill->count - spill->done_count;
    forget(spill);
}
