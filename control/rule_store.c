/* SPDX-License-Identifier: MPL-2.0 */
#include "control/rule_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/folder.h"
#include "control/plugins/instances.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/record.h"
#include "core/whole_file.h"

enum { PATH_SIZE = 1024, CACHE_MODE = 0700, FILE_MODE = 0644 };

struct rule_store {
    _Atomic unsigned references;
    struct ruleset *rules;
    struct buffer saved;
    char digest[RULESET_DIGEST_LEN + 1];
    char file[RULE_STORE_NAME_SIZE];
    struct rule_store_status status;
    bool was_written;
};

static struct {
    _Atomic uint64_t compilations, cache_hits, unsaved, files_written, files_again;
} totals;

static int cache_dir(const char *base_dir, char *path)
{
    int len = snprintf(path, PATH_SIZE, "%s/rules", base_dir);
    return len < 0 || len >= PATH_SIZE ? -ENAMETOOLONG : 0;
}

int rule_store_make_cache(const char *base_dir)
{
    char path[PATH_SIZE];
    int rc = cache_dir(base_dir, path);
    if (rc == 0)
        rc = folder_make(path, CACHE_MODE);
    if (rc != 0)
        log_error("%s/rules: compiled rules are not kept: %s", base_dir, strerror(-rc));
    return rc == 0 ? 0 : -1;
}

/* ---- what is to be compiled ---- */

/* Rules by slot, as the data plane has them: "FALSE" where there is no consumer. */
static size_t collect(const struct instances *instances, struct rule_text *rules)
{
    struct consumer_ref consumer;
    size_t count = 0;
    for (unsigned slot = 0; slot < RECORD_CONSUMERS_MAX; slot++)
        rules[slot] = (struct rule_text){.name = "", .text = "FALSE"};
    for (unsigned i = 0; instances_consumer(instances, i, &consumer); i++) {
        const char *signer = consumer.message_signer;
        rules[*consumer.slot] = (struct rule_text){
            .name = consumer.name,
            .text = consumer.message_matcher,
            .signer = signer != NULL && signer[0] != '\0' ? signer : NULL,
        };
        if (*consumer.slot >= count)
            count = *consumer.slot + 1;
    }
    return count;
}

/* Compiled one by one, to say whose fault it is. */
static void blame(const struct instances *instances, struct err *err)
{
    struct err *found = calloc(1, sizeof(*found));
    struct consumer_ref consumer;
    for (unsigned i = 0; found != NULL && instances_consumer(instances, i, &consumer); i++) {
        const struct conf_node *node = conf_get(consumer.section->node, "message_matcher");
        struct rule_text rule = {consumer.name, consumer.message_matcher, NULL};
        struct ruleset *set = NULL;
        found->count = 0;
        if (node == NULL)
            node = consumer.section->node;
        if (ruleset_compile(&rule, 1, &set, found) != 0)
            err_at(err, node->file, node->line, "'%s': %s", consumer.name, found->texts[0]);
        ruleset_free(set);
    }
    free(found);
}

/* ---- compiling ---- */

static int compile(struct rule_store *store, const struct instances *instances,
                   const struct rule_text *rules, size_t count, struct err *err)
{
    char cache[PATH_SIZE];
    struct stat status;
    struct rule_store_status *report = &store->status;
    uint64_t start_ns = clock_mono_ns();
    bool has_cache =
        cache_dir(instances->config->globals.base_dir, cache) == 0 && stat(cache, &status) == 0;
    report->origin = RULESET_NOT_SAVED;
    int rc = has_cache
                 ? ruleset_compile_cached(cache, rules, count, &store->rules, &report->origin, err)
                 : ruleset_compile(rules, count, &store->rules, err);
    report->ready_ns = clock_mono_ns() - start_ns;
    report->rules = (unsigned)count;
    totals.compilations += report->origin != RULESET_CACHED;
    totals.cache_hits += report->origin == RULESET_CACHED;
    totals.unsaved += report->origin == RULESET_NOT_SAVED;
    return rc;
}

static int save(struct rule_store *store, struct err *err)
{
    store->saved.max_size = RULESET_SAVED_MAX;
    int rc = ruleset_save(store->rules, &store->saved);
    if (rc != 0)
        return err_add(err, "the compiled rules cannot be saved: %s", strerror(-rc));
    store->status.bytes = store->saved.size;
    ruleset_digest(store->saved.data, store->saved.size, store->digest);
    snprintf(store->file, sizeof(store->file), "rules.%s.db", store->digest);
    return 0;
}

int rule_store_open(const struct instances *instances, struct rule_store **out, struct err *err)
{
    struct rule_text rules[RECORD_CONSUMERS_MAX];
    size_t count = collect(instances, rules);
    *out = NULL;
    if (*instances->rules != NULL && ruleset_is_of((*instances->rules)->rules, rules, count)) {
        *out = rule_store_get(*instances->rules);
        return 0;
    }
    struct rule_store *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return err_add(err, "out of memory");
    store->references = 1;
    unsigned before = err != NULL ? err->count : 0;
    if (compile(store, instances, rules, count, err) != 0 || save(store, err) != 0) {
        rule_store_put(store);
        blame(instances, err);
        return err == NULL || err->count > before ? -1 : err_add(err, "the rules do not compile");
    }
    rule_store_put(*instances->rules);
    *instances->rules = store;
    *out = rule_store_get(store);
    return 0;
}

struct rule_store *rule_store_get(struct rule_store *store)
{
    store->references++;
    return store;
}

void rule_store_put(struct rule_store *store)
{
    if (store == NULL || --store->references > 0)
        return;
    ruleset_free(store->rules);
    buffer_fini(&store->saved);
    free(store);
}

void rule_store_forget(const struct instances *instances)
{
    rule_store_put(*instances->rules);
    *instances->rules = NULL;
}

const struct ruleset *rule_store_rules(const struct rule_store *store)
{
    return store->rules;
}

const char *rule_store_file(const struct rule_store *store)
{
    return store->file;
}

const char *rule_store_digest(const struct rule_store *store)
{
    return store->digest;
}

void rule_store_status(const struct rule_store *store, struct rule_store_status *status)
{
    *status = store->status;
    status->compilations = totals.compilations;
    status->cache_hits = totals.cache_hits;
    status->unsaved = totals.unsaved;
    status->files_written = totals.files_written;
    status->files_again = totals.files_again;
}

/* ---- the data plane's file ---- */

static bool is_there(const struct rule_store *store, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;
    char *bytes = malloc(store->saved.size + 1);
    bool same = fd >= 0 && bytes != NULL && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
                (size_t)status.st_size == store->saved.size;
    size_t size = 0;
    for (ssize_t got = 1; same && got > 0 && size < store->saved.size;) {
        got = read(fd, bytes + size, store->saved.size - size);
        size += got > 0 ? (size_t)got : 0;
    }
    same = same && size == store->saved.size && memcmp(bytes, store->saved.data, size) == 0;
    if (fd >= 0)
        close(fd);
    free(bytes);
    return same;
}

int rule_store_write(struct rule_store *store, const char *dir, struct err *err)
{
    char path[PATH_SIZE], fresh[PATH_SIZE + 8];
    int len = snprintf(path, sizeof(path), "%s/%s", dir, store->file);
    if (len < 0 || (size_t)len >= sizeof(path))
        return err_add(err, "%s: the path is too long", dir);
    if (is_there(store, path))
        return 0;
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    int rc = whole_file_replace(path, fresh, FILE_MODE, store->saved.data, store->saved.size);
    if (rc != 0)
        rc = err_add(err, "%s: %s", path, strerror(-rc));
    totals.files_written += rc == 0;
    totals.files_again += rc == 0 && store->was_written;
    store->was_written |= rc == 0;
    return rc;
}

static bool is_database(const char *name)
{
    return strncmp(name, "rules.", 6) == 0 &&
           strspn(name + 6, "0123456789abcdef") == RULESET_DIGEST_LEN &&
           strncmp(name + 6 + RULESET_DIGEST_LEN, ".db", 3) == 0;
}

void rule_store_sweep(const char *dir, const struct rule_store *keep)
{
    DIR *folder = opendir(dir);
    struct dirent *entry;
    if (folder == NULL)
        return;
    while ((entry = readdir(folder)) != NULL)
        if (is_database(entry->d_name) && (keep == NULL || strcmp(entry->d_name, keep->file) != 0))
            unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
}
