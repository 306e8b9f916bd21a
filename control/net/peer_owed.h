/* SPDX-License-Identifier: MPL-2.0
 *
 * peer_owed.h - what a peer that ends still owes, as a file, for the next one of that name.
 *
 * Place:   peer.c, when the other side cannot be reached before hekad or the output ends.
 * Threads: the output's.
 * Memory:  a folder for each output, a file for each end: "HEKAOWED1\n", then for each chunk its
 *          number of messages and of bytes (32 bits, little-endian) and the bytes. Its name is the
 *          time, in 20 digits.
 * Failure: negative errno. A file that is not whole is renamed to NAME.bad, and said in the log.
 */
#ifndef CONTROL_PEER_OWED_H
#define CONTROL_PEER_OWED_H

#include "control/net/peer.h"

enum { PEER_OWED_FILES_MAX = 256 }; /* looked at, at a time */

/* Writes all chunks that are kept. 0, or negative errno. */
int peer_owed_save(const struct peer *peer);

/* Appends the chunks of all files to those that are kept, as far as there is room for whole files.
 * How many chunks, or negative errno. peer->owed_until becomes the name of the last one. */
int peer_owed_load(struct peer *peer);

/* Their bytes have been sent: removes the files up to peer->owed_until. */
void peer_owed_remove(struct peer *peer);

#endif
