/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/name_hash.h"

#include <sys/random.h>

#define FIXED_KEY                                                                                  \
    {                                                                                              \
        .lanes = {UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xc2b2ae3d27d4eb4f),                      \
                  UINT64_C(0x165667b19e3779f9), UINT64_C(0xd6e8feb86659fd93)},                     \
        .sum = UINT64_C(0xc2b2ae3d27d4eb4f), .tail = UINT64_C(0xd6e8feb86659fd93),                 \
    }

struct name_key name_key = FIXED_KEY;
const struct name_key name_key_fixed = FIXED_KEY;

/* A kernel without random numbers leaves the fixed keys: the bounds of stats/shard_index.h hold in
 * any case. */
void name_key_seed(void)
{
    struct name_key random;
    if (getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random))
        name_key = random;
}
