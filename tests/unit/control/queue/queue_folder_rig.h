/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_folder_rig.h - a folder on the real disk for a test's queue.
 */
#ifndef TESTS_UNIT_CONTROL_QUEUE_QUEUE_FOLDER_RIG_H
#define TESTS_UNIT_CONTROL_QUEUE_QUEUE_FOLDER_RIG_H

#include "control/queue/queue_folder.h"

struct folder_rig {
    char base[64];
    char dir[QUEUE_PATH_SIZE]; /* of the queue "out"; not made yet */
};

void folder_rig_init(struct folder_rig *rig);
void folder_rig_fini(struct folder_rig *rig); /* removes it with all that is in it */

#endif
