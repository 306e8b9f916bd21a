/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/database.h"

#include <errno.h>
#include <fcntl.h>
#include <hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "matcher/ruleset_internal.h"

enum { ENGINE_SIZE = 104, PATH_SIZE = 4096 };

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

/* Name, text and signer of each rule. */
static int append_rules(struct buffer *out, const struct rule_text *rules, size_t count)
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
        rc = append_rules(out, set->texts, set->count);
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

/* ---- cache ---- */

/* DIR/HASH.rules, by what the set is made of and what compiles it. */
static int cache_path(const char *dir, const struct rule_text *rules, size_t count, char *path)
{
    struct buffer key = {.max_size = RULESET_SAVED_MAX};
    char engine[ENGINE_SIZE] = "";
    XXH128_hash_t hash;
    int rc = buffer_printf(&key, "%d\n", RULESET_FORMAT);

    ruleset_engine_text(engine, sizeof engine);
    if (rc == 0)
        rc = buffer_append_text(&key, engine);
    if (rc == 0)
        rc = append_rules(&key, rules, count);
    if (rc == 0) {
        hash = XXH3_128bits(key.data, key.size);
        if (snprintf(path, PATH_SIZE, "%s/%016llx%016llx.rules", dir,
                     (unsigned long long)hash.high64, (unsigned long long)hash.low64) >= PATH_SIZE)
            rc = -ENAMETOOLONG;
    }
    buffer_fini(&key);
    return rc;
}

static int read_all(int fd, struct buffer *out)
{
    struct stat status;
    int rc = fstat(fd, &status) < 0 ? -errno : 0;

    if (rc == 0 && (!S_ISREG(status.st_mode) || status.st_size > RULESET_SAVED_MAX))
        rc = -EFBIG;
    if (rc == 0)
        rc = buffer_reserve(out, (size_t)status.st_size + 1);
    while (rc == 0) {
        ssize_t got = read(fd, out->data + out->size, out->capacity - out->size);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        out->size += (size_t)got;
        rc = buffer_reserve(out, 1);
    }
    return rc;
}

static int write_all(int fd, const struct buffer *bytes)
{
    size_t done = 0;

    while (done < bytes->size) {
        ssize_t put = write(fd, bytes->data + done, bytes->size - done);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        done += (size_t)put;
    }
    return 0;
}

static int load_file(const char *path, struct ruleset **out)
{
    struct buffer bytes = {.max_size = RULESET_SAVED_MAX};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int rc = fd < 0 ? -errno : read_all(fd, &bytes);

    if (fd >= 0)
        close(fd);
    if (rc == 0)
        rc = ruleset_load(bytes.data, bytes.size, out, NULL);
    buffer_fini(&bytes);
    return rc;
}

/* Writes a file of its own and moves it into place, so that a reader never sees half of it. */
static int save_file(const char *path, const struct ruleset *set)
{
    struct buffer bytes = {.max_size = RULESET_SAVED_MAX};
    char fresh[PATH_SIZE + 32];
    int rc = ruleset_save(set, &bytes);
    int fd = -1;

    snprintf(fresh, sizeof fresh, "%s.%ld", path, (long)getpid());
    if (rc == 0) {
        fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        rc = fd < 0 ? -errno : write_all(fd, &bytes);
    }
    if (fd >= 0 && close(fd) < 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && rename(fresh, path) < 0)
        rc = -errno;
    if (rc < 0 && fd >= 0)
        (void)unlink(fresh);
    buffer_fini(&bytes);
    return rc;
}

int ruleset_compile_cached(const char *dir, const struct rule_text *rules, size_t count,
                           struct ruleset **out, enum ruleset_origin *origin, struct err *err)
{
    char path[PATH_SIZE];
    int found = cache_path(dir, rules, count, path);
    int rc;

    *origin = RULESET_CACHED;
    if (found == 0 && load_file(path, out) == 0)
        return 0;
    rc = ruleset_compile(rules, count, out, err);
    if (rc < 0)
        return rc;
    found = found == 0 ? save_file(path, *out) : found;
    *origin = found == 0 ? RULESET_COMPILED : RULESET_NOT_SAVED;
    errno = -found;
    return 0;
}
