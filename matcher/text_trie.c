/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/text_trie.h"

#include <errno.h>
#include <stdlib.h>

struct trie_builder {
    struct text_trie *trie;
    const struct text_entry *entries; /* sorted, in walking order */
};

static int compare_entries(const void *left, const void *right)
{
    const struct text_entry *a = left;
    const struct text_entry *b = right;
    int order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);

    if (order != 0)
        return order;
    return a->len < b->len ? -1 : a->len > b->len;
}

/* Bytes that entries[first] and entries[last] have in common from `depth` on; sorted, so everything
 * between has them too. */
static size_t shared_len(const struct trie_builder *builder, size_t first, size_t last,
                         size_t depth)
{
    const struct text_entry *a = &builder->entries[first];
    const struct text_entry *b = &builder->entries[last];
    size_t at = depth;

    while (at < a->len && at < b->len && a->text[at] == b->text[at])
        at++;
    return at - depth;
}

/* The first entry behind `first` whose byte at `depth` differs. */
static size_t group_end(const struct trie_builder *builder, size_t first, size_t end, size_t depth)
{
    size_t at = first;

    while (at < end && builder->entries[at].text[depth] == builder->entries[first].text[depth])
        at++;
    return at;
}

/* Fills nodes[index] with the entries first..end, which agree in `depth` bytes. Recursion is as
 * deep as texts are nested in each other, and each level has a longer text. */
static void fill_node(struct trie_builder *builder, uint32_t index, size_t first, size_t end,
                      size_t depth)
{
    struct text_trie *trie = builder->trie;
    struct text_trie_node *node = &trie->nodes[index];
    size_t len = shared_len(builder, first, end - 1, depth);
    uint32_t child;

    *node = (struct text_trie_node){
        .segment = builder->entries[first].text + depth,
        .segment_len = (uint32_t)len,
    };
    depth += len;
    if (builder->entries[first].len == depth)
        node->fires = builder->entries[first++].fires;
    node->child_first = trie->node_count;
    for (size_t at = first; at < end; at = group_end(builder, at, end, depth))
        node->child_count++;
    trie->node_count += node->child_count;
    child = node->child_first;
    while (first < end) {
        size_t next = group_end(builder, first, end, depth);

        fill_node(builder, child++, first, next, depth);
        first = next;
    }
}

static void copy_text(const struct text_entry *entry, enum text_direction direction, char *out)
{
    for (size_t i = 0; i < entry->len; i++)
        out[i] = entry->text[direction == TEXT_FORWARD ? i : entry->len - 1 - i];
}

int text_trie_init(struct text_trie *trie, const struct text_entry *entries, size_t count,
                   enum text_direction direction)
{
    struct text_entry *sorted = malloc((count + 1) * sizeof *sorted);
    struct trie_builder builder = {trie, sorted};
    size_t size = 1;
    char *at;

    *trie = (struct text_trie){.direction = direction};
    for (size_t i = 0; i < count; i++)
        size += entries[i].len;
    trie->texts = malloc(size);
    trie->nodes = calloc(count * 2 + 1, sizeof *trie->nodes);
    at = trie->texts;
    if (!sorted || !trie->texts || !trie->nodes) {
        free(sorted);
        text_trie_fini(trie);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        copy_text(&entries[i], direction, at);
        sorted[i] = (struct text_entry){at, entries[i].len, entries[i].fires};
        at += entries[i].len;
    }
    qsort(sorted, count, sizeof *sorted, compare_entries);
    if (count > 0) {
        trie->node_count = 1;
        fill_node(&builder, 0, 0, count, 0);
    }
    free(sorted);
    return 0;
}

void text_trie_fini(struct text_trie *trie)
{
    free(trie->nodes);
    free(trie->texts);
    *trie = (struct text_trie){0};
}

static bool has_segment(const struct text_trie_node *node, const char *value, size_t len, size_t at,
                        enum text_direction direction)
{
    if (node->segment_len > len - at)
        return false;
    if (direction == TEXT_FORWARD)
        return text_equal(value + at, node->segment, node->segment_len);
    for (size_t i = 0; i < node->segment_len; i++) {
        if (value[len - 1 - at - i] != node->segment[i])
            return false;
    }
    return true;
}

static const struct text_trie_node *find_child(const struct text_trie *trie,
                                               const struct text_trie_node *node, char byte)
{
    uint32_t low = node->child_first;
    uint32_t high = low + node->child_count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        unsigned char first = (unsigned char)trie->nodes[middle].segment[0];

        if (first == (unsigned char)byte)
            return &trie->nodes[middle];
        if (first < (unsigned char)byte)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void text_trie_match(const struct text_trie *trie, const char *value, size_t len,
                     const struct fire *fires, uint64_t *words)
{
    const struct text_trie_node *node = trie->nodes;
    enum text_direction direction = trie->direction;
    size_t at = 0;

    while (node && has_segment(node, value, len, at, direction)) {
        at += node->segment_len;
        fires_set(fires, node->fires, words);
        if (at == len)
            return;
        node = find_child(trie, node, value[direction == TEXT_FORWARD ? at : len - 1 - at]);
    }
}
