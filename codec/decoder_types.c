/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/decoder.h"
#include "core/check.h"

enum { LISTS_MAX = 16 };

static const struct decoder_ops *const *lists[LISTS_MAX];
static unsigned list_count;

void decoder_add_types(const struct decoder_ops *const *types)
{
    for (unsigned i = 0; i < list_count; i++)
        if (lists[i] == types)
            return;
    CHECK(list_count < LISTS_MAX);
    lists[list_count++] = types;
}

static unsigned count(const struct decoder_ops *const *types)
{
    unsigned n = 0;
    while (types[n] != NULL)
        n++;
    return n;
}

const struct decoder_ops *decoder_type_at(unsigned index)
{
    unsigned here = count(builtin_decoders);
    if (index < here)
        return builtin_decoders[index];
    index -= here;
    for (unsigned i = 0; i < list_count; i++) {
        here = count(lists[i]);
        if (index < here)
            return lists[i][index];
        index -= here;
    }
    return NULL;
}
