/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/control/queue/queue_folder_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/check.h"

void folder_rig_init(struct folder_rig *rig)
{
    snprintf(rig->base, sizeof(rig->base), "/tmp/heka-queue-XXXXXX");
    CHECK(mkdtemp(rig->base) != NULL);
    CHECK(queue_dir(rig->base, "out", rig->dir) == 0);
}

void folder_rig_fini(struct folder_rig *rig)
{
    char command[96];
    snprintf(command, sizeof(command), "rm -r '%s'", rig->base);
    CHECK(system(command) == 0);
}
