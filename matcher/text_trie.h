/* SPDX-License-Identifier: MPL-2.0
 *
 * text_trie.h - which of many texts a value begins (or ends) with: one walk along the value.
 *
 * Place:   up to two for each variable of a rule set, for =~ /^text/ and =~ /text$/.
 * Threads: immutable after text_trie_init().
 * Memory:  nodes and texts on the heap, path-compressed: at most two nodes for each text.
 * Failure: -ENOMEM.
 */
#ifndef MATCHER_TEXT_TRIE_H
#define MATCHER_TEXT_TRIE_H

#include "matcher/text_table.h"

enum text_direction { TEXT_FORWARD, TEXT_BACKWARD };

struct text_trie_node {
    const char *segment; /* in walking order */
    uint32_t segment_len;
    uint32_t child_first; /* node; children are sorted by the first byte of their segment */
    uint32_t child_count;
    struct fire_list fires; /* of the text that ends here */
};

/* Zeroed is an empty trie. */
struct text_trie {
    struct text_trie_node *nodes; /* nodes[0] is the root */
    uint32_t node_count;
    char *texts;
    enum text_direction direction;
};

/* Texts are different from each other. */
int text_trie_init(struct text_trie *trie, const struct text_entry *entries, size_t count,
                   enum text_direction direction);
void text_trie_fini(struct text_trie *trie);

/* Sets the bits of every text that the value begins (ends) with. */
void text_trie_match(const struct text_trie *trie, const char *value, size_t len,
                     const struct fire *fires, uint64_t *words);

#endif
