/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/database.h"

#include <errno.h>
#include <hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "matcher/ruleset_internal.h"

enum { ENGINE_SIZE = 104 };

static const char magic[8] = {'H', 'K', 'R', 'U', 'L', 'E', 'S', '\n'};

/* In front of every saved set. Little-endian machines only, as all of core. */
struct saved_header {
    char magic[8];
    uint32_t format;
    uint32_t rule_count;
    uint64_t body_size; /* of what follows */
    uint64_t body_hash; /* XXH3 of it */
    char engine[ENGINE_SIZE];
};

void ruleset_engine_text(char *text, size_t size)
{
    hs_platform_info_t platform = {0};

    (void)hs_populate_platform(&platform);
    snprintf(text, size, "Hyperscan %s, CPU features %llx, tuned for %u", hs_version(),
             platform.cpu_features, platform.tune);
}

static int append_text(struct buffer *out, const char *text)
{
    uint32_t len = text ? (uint32_t)strlen(text) : UINT32_MAX;
    int rc = buffer_append(out, &len, sizeof len);

    return rc == 0 && text ? buffer_append(out, text, len) : rc;
}

int ruleset_append_texts(struct buffer *out, const struct rule_text *rules, size_t count)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = append_text(out, rules[i].name);
        if (rc == 0)
            rc = append_text(out, rules[i].text);
        if (rc == 0)
            rc = append_text(out, rules[i].signer);
    }
    return rc;
}

int ruleset_save(const struct ruleset *set, struct buffer *out)
{
    struct saved_header header = {.format = RULESET_FORMAT, .rule_count = (uint32_t)set->count};
    size_t start = out->size;
    size_t body = start + sizeof header;
    int rc = buffer_append(out, &header, sizeof header);

    if (rc == 0)
        rc = ruleset_append_texts(out, set->texts, set->count);
    for (uint32_t i = 0; i < set->plan->scan_count && rc == 0; i++) {
        rc = scan_db_save(set->plan->scans[i], out);
        if (rc == 0)
            rc = scan_batch_save(set->plan->batches[i], out);
    }
    if (rc < 0) {
        out->size = start;
        return rc;
    }
    memcpy(header.magic, magic, sizeof magic);
    ruleset_engine_text(header.engine, sizeof header.engine);
    header.body_size = out->size - body;
    header.body_hash = XXH3_64bits(out->data + body, out->size - body);
    memcpy(out->data + start, &header, sizeof header);
    return 0;
}

static int read_text(struct scan_reader *in, const char **text, struct buffer *keep)
{
    uint32_t len;
    int rc;

    if ((size_t)(in->end - in->at) < sizeof len)
        return -EPROTO;
    memcpy(&len, in->at, sizeof len);
    in->at += sizeof len;
    *text = NULL;
    if (len == UINT32_MAX)
        return 0;
    if (len > (size_t)(in->end - in->at) || memchr(in->at, 0, len))
        return -EPROTO;
    /* `keep` has room for all texts and their ends from the start, so it does not move */
    *text = keep->data + keep->size;
    rc = buffer_append(keep, in->at, len);
    if (rc == 0)
        rc = buffer_append(keep, "", 1);
    in->at += len;
    return rc;
}

static int read_rules(struct scan_reader *in, struct rule_text *rules, size_t count,
                      struct buffer *keep)
{
    int rc = buffer_reserve(keep, (size_t)(in->end - in->at) + 1);

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = read_text(in, &rules[i].name, keep);
        if (rc == 0)
            rc = read_text(in, &rules[i].text, keep);
        if (rc == 0)
            rc = read_text(in, &rules[i].signer, keep);
        if (rc == 0 && (!rules[i].name || !rules[i].text))
            rc = -EPROTO;
    }
    return rc;
}

static int check_header(const struct saved_header *header, const uint8_t *body, size_t size,
                        struct err *err)
{
    char engine[ENGINE_SIZE] = "";

    if (memcmp(header->magic, magic, sizeof magic) != 0)
        return err_add(err, "not a saved rule set");
    if (header->format != RULESET_FORMAT)
        return err_add(err, "saved rule set of format %u, this program reads format %d",
                       header->format, RULESET_FORMAT);
    ruleset_engine_text(engine, sizeof engine);
    if (memcmp(header->engine, engine, sizeof engine) != 0)
        return err_add(err, "rule set compiled by \"%.*s\", this is \"%s\"", ENGINE_SIZE,
                       header->engine, engine);
    if (header->body_size != size || header->rule_count > RULESET_RULES_MAX)
        return err_add(err, "saved rule set is cut off");
    if (XXH3_64bits(body, size) != header->body_hash)
        return err_add(err, "saved rule set has been changed");
    return 0;
}

static int load_body(struct scan_reader *in, size_t count, struct ruleset **out, struct err *err)
{
    struct rule_text *rules = calloc(count + 1, sizeof *rules);
    struct buffer keep = {.max_size = RULESET_SAVED_MAX};
    int rc = rules ? read_rules(in, rules, count, &keep) : -ENOMEM;

    if (rc == -ENOMEM)
        err_add(err, "out of memory");
    if (rc == 0)
        rc = ruleset_build(rules, count, in, out, err);
    if (rc == 0 && in->at != in->end) {
        ruleset_free(*out);
        *out = NULL;
        rc = -EPROTO;
    }
    if (rc == -EPROTO)
        err_add(err, "saved rule set does not fit its rules");
    free(rules);
    buffer_fini(&keep);
    return rc;
}

int ruleset_load(const void *bytes, size_t size, struct ruleset **out, struct err *err)
{
    struct saved_header header;
    const uint8_t *body = (const uint8_t *)bytes + sizeof header;
    struct scan_reader in = {body, (const uint8_t *)bytes + size};

    if (size < sizeof header)
        return err_add(err, "saved rule set is cut off"), -EPROTO;
    memcpy(&header, bytes, sizeof header);
    if (check_header(&header, body, size - sizeof header, err) < 0)
        return -EPROTO;
    return load_body(&in, header.rule_count, out, err);
}

/* ---- what a set is ---- */

void ruleset_digest(const void *bytes, size_t size, char text[RULESET_DIGEST_LEN + 1])
{
    XXH128_hash_t hash = XXH3_128bits(bytes, size);

    snprintf(text, RULESET_DIGEST_LEN + 1, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

bool ruleset_is_of(const struct ruleset *set, const struct rule_text *rules, size_t count)
{
    if (set->count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_same_text(set->texts[i].name, rules[i].name) ||
            !is_same_text(set->texts[i].text, rules[i].text) ||
            !is_same_text(set->texts[i].signer, rules[i].signer))
            return false;
    }
    return true;
}
