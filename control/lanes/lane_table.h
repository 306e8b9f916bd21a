/* SPDX-License-Identifier: MPL-2.0
 *
 * lane_table.h - all lanes there are to read: the data plane's, those of dead data planes, those of
 *                the producers in hekad, and those that an earlier hekad left.
 *
 * Place:   daemon.c adds lanes and consumers; each consumer gets every lane.
 * Threads: [main].
 * Memory:  one reference to each attachment, until nobody reads it any more.
 * Failure: a consumer that has too many unread lanes gets the next ones later; a folder is deleted
 *          when all of it is delivered, and stays for the next hekad otherwise.
 * Bounds:  LANE_TABLE_MAX entries.
 */
#ifndef CONTROL_LANE_TABLE_H
#define CONTROL_LANE_TABLE_H

#include "control/lanes/attachment.h"
#include "control/lanes/producer_folder.h"

enum { LANE_TABLE_MAX = 1024 };

struct lane_entry {
    struct attachment *attachment;
    char name[SEGMENT_NAME_SIZE];
    char folder[PRODUCER_FOLDER_SIZE];  /* to delete when it is drained; "": none */
    uint32_t own_slot;                  /* that must not read it, or ATTACHMENT_NO_CONSUMER */
    uint64_t wanted[RECORD_MASK_WORDS]; /* bit s: the consumer in slot s is still to be attached */
    uint32_t generation[RECORD_CONSUMERS_MAX]; /* that admits them, 0: any */
};

struct lane_table {
    struct lane_entry *entries[LANE_TABLE_MAX]; /* the oldest first */
    unsigned count;
};

/* Attaches the consumer in `slot`: 0, -EAGAIN to be asked again, or another negative value when it
 * cannot be done, which has been logged. */
typedef int (*lane_attach_fn)(void *arg, unsigned slot, struct attachment *attachment,
                              unsigned generation);

/* A reference is taken. NULL after adding to `err`. */
struct lane_entry *lane_table_add(struct lane_table *table, struct attachment *attachment,
                                  const char *name, const char *folder, struct err *err);
/* NULL: it is read, and gone from the table. */
struct lane_entry *lane_table_find(struct lane_table *table, const struct attachment *attachment);

/* The consumer is to read this lane. */
void lane_entry_want(struct lane_entry *entry, unsigned slot, unsigned generation);
/* The consumer is gone or goes: it gets no lanes any more. */
void lane_table_forget(struct lane_table *table, unsigned slot);

/* Attaches who is to be attached, as far as it goes, and lets go of lanes that nobody reads any
 * more. */
void lane_table_step(struct lane_table *table, lane_attach_fn attach, void *arg);

/* The end: deletes the folders that are drained. Consumers are gone, or abandoned with their
 * references. Returns how many folders stay, because messages in them are not delivered. */
unsigned lane_table_fini(struct lane_table *table);

#endif
