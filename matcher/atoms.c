/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/atoms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"

/* What makes two inputs or atoms different, in front of the text. */
struct input_head {
    uint32_t variable, field_index, value_index;
};

struct atom_head {
    uint32_t type, input, compare, utf8, gate, zero; /* no padding: the bytes are the key */
    uint64_t number;                                 /* bits */
};

/* Interns head and text; *stored is where the copy of the text begins. */
static int64_t intern_pair(struct intern *table, const void *head, size_t head_size,
                           const char *text, size_t text_len, bool *fresh, const char **stored)
{
    struct buffer key = {0};
    int64_t index = buffer_append(&key, head, head_size);

    if (index == 0 && text_len > 0)
        index = buffer_append(&key, text, text_len);
    if (index == 0)
        index = intern_put(table, key.data, key.size, fresh);
    if (index >= 0)
        *stored = table->keys[index].bytes + head_size;
    buffer_fini(&key);
    return index;
}

static int reserve(void **items, uint32_t *capacity, uint32_t count, size_t item_size)
{
    uint32_t larger = *capacity ? *capacity * 2 : 32;
    void *grown;

    if (count < *capacity)
        return 0;
    grown = realloc(*items, larger * item_size);
    if (!grown)
        return -ENOMEM;
    *items = grown;
    *capacity = larger;
    return 0;
}

int64_t atoms_input(struct atoms *atoms, const struct atom_input *input)
{
    struct input_head head = {input->variable, input->field_index, input->value_index};
    void *inputs = atoms->inputs;
    const char *name;
    bool fresh = false;
    int64_t index;

    if (reserve(&inputs, &atoms->input_capacity, atoms_input_count(atoms), sizeof *input) < 0)
        return -ENOMEM;
    atoms->inputs = inputs;
    index = intern_pair(&atoms->input_keys, &head, sizeof head, input->name, input->name_len,
                        &fresh, &name);
    if (index >= 0 && fresh) {
        atoms->inputs[index] = *input;
        atoms->inputs[index].name = name;
    }
    return index;
}

int64_t atoms_put(struct atoms *atoms, const struct atom *atom)
{
    struct atom_head head = {
        (uint32_t)atom->type, atom->input, (uint32_t)atom->compare, atom->utf8, atom->gate, 0, 0};
    void *items = atoms->items;
    const char *text;
    bool fresh = false;
    int64_t index;

    memcpy(&head.number, &atom->number, sizeof head.number);
    if (reserve(&items, &atoms->capacity, atoms_count(atoms), sizeof *atom) < 0)
        return -ENOMEM;
    atoms->items = items;
    index =
        intern_pair(&atoms->keys, &head, sizeof head, atom->text, atom->text_len, &fresh, &text);
    if (index >= 0 && fresh) {
        atoms->items[index] = *atom;
        atoms->items[index].text = text;
    }
    return index;
}

void atoms_fini(struct atoms *atoms)
{
    intern_fini(&atoms->input_keys);
    intern_fini(&atoms->keys);
    free(atoms->inputs);
    free(atoms->items);
    *atoms = (struct atoms){0};
}
