/* SPDX-License-Identifier: MPL-2.0 */
#include "control/dynamic.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control/config/plugin_types.h"
#include "control/setup.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    QUIET_MS = 50,       /* after the last change, so that many make one reload */
    PATIENCE_MS = 250,   /* after the first one */
    UNCLAIMED_MS = 10000 /* for owners to put what an earlier hekad had */
};

struct entry {
    char *owner, *name;
    char *running;              /* text in force, or NULL */
    char *wanted, *offered;     /* of a change, NULL: it is a removal */
    bool is_wanted, is_offered; /* a change is pending; one is being tried */
    bool has_failed;
    bool is_unclaimed; /* of an earlier hekad, and its owner has not put it yet */
    char error[ERR_TEXT_SIZE];
};

struct dynamic {
    pthread_mutex_t lock;
    const char *run_dir;
    struct config_files *files;
    int fd;
    uint64_t first_ns, last_ns; /* of pending changes */
    unsigned limit;             /* changes that are tried together; 0: all */
    unsigned offered;
    uint64_t adopted_ns; /* sections of an earlier hekad were; 0: all are claimed or dropped */
    struct entry *entries[DYNAMIC_SECTIONS_MAX];
    unsigned count;
};

/* ---- one section ---- */

static void entry_free(struct entry *entry)
{
    if (entry == NULL)
        return;
    free(entry->owner);
    free(entry->name);
    free(entry->running);
    free(entry->wanted);
    free(entry->offered);
    free(entry);
}

static struct entry *entry_new(const char *owner, const char *name)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return NULL;
    entry->owner = strdup(owner);
    entry->name = strdup(name);
    if (entry->owner != NULL && entry->name != NULL)
        return entry;
    entry_free(entry);
    return NULL;
}

/* What it is to be when all goes well, or NULL. */
static const char *entry_goal(const struct entry *entry)
{
    if (entry->is_wanted)
        return entry->wanted;
    return entry->is_offered ? entry->offered : entry->running;
}

static enum dynamic_state entry_state(const struct entry *entry)
{
    if (entry->is_wanted || entry->is_offered)
        return DYNAMIC_PENDING;
    return entry->has_failed ? DYNAMIC_FAILED : DYNAMIC_RUNNING;
}

static void replace(char **text, char *take_text)
{
    free(*text);
    *text = take_text;
}

/* ---- the list, under its lock ---- */

static struct entry *find(const struct dynamic *dynamic, const char *name)
{
    for (unsigned i = 0; i < dynamic->count; i++)
        if (strcmp(dynamic->entries[i]->name, name) == 0)
            return dynamic->entries[i];
    return NULL;
}

static struct entry *find_of(const struct dynamic *dynamic, const char *owner, const char *name)
{
    struct entry *entry = find(dynamic, name);
    return entry != NULL && strcmp(entry->owner, owner) == 0 ? entry : NULL;
}

static void remove_at(struct dynamic *dynamic, unsigned index)
{
    entry_free(dynamic->entries[index]);
    dynamic->count--;
    for (unsigned i = index; i < dynamic->count; i++)
        dynamic->entries[i] = dynamic->entries[i + 1];
}

/* Those that are nothing and will be nothing, and failed to be nothing. */
static void sweep(struct dynamic *dynamic)
{
    for (unsigned i = dynamic->count; i-- > 0;) {
        const struct entry *entry = dynamic->entries[i];
        if (entry->running == NULL && entry_state(entry) == DYNAMIC_RUNNING)
            remove_at(dynamic, i);
    }
}

static void note_change(struct dynamic *dynamic, struct entry *entry, char *take_wanted)
{
    const uint64_t one = 1;
    replace(&entry->wanted, take_wanted);
    entry->is_wanted = true;
    entry->has_failed = false;
    dynamic->last_ns = clock_mono_ns();
    if (dynamic->first_ns == 0)
        dynamic->first_ns = dynamic->last_ns;
    if (write(dynamic->fd, &one, sizeof(one)) < 0) /* it is full: somebody will read it */
        return;
}

static struct entry *add(struct dynamic *dynamic, const char *owner, const char *name,
                         struct err *err)
{
    if (dynamic->count == DYNAMIC_SECTIONS_MAX) {
        err_add(err, "more than %d dynamic sections", DYNAMIC_SECTIONS_MAX);
        return NULL;
    }
    struct entry *entry = entry_new(owner, name);
    if (entry == NULL)
        err_add(err, "out of memory");
    else
        dynamic->entries[dynamic->count++] = entry;
    return entry;
}

static int put(struct dynamic *dynamic, const char *owner, const char *name, const char *toml,
               struct err *err)
{
    struct entry *entry = find(dynamic, name);
    if (entry != NULL && strcmp(entry->owner, owner) != 0)
        return err_add(err, "'%s' is a dynamic section of '%s' already", name, entry->owner);
    const char *goal = entry != NULL && !entry->has_failed ? entry_goal(entry) : NULL;
    if (entry != NULL)
        entry->is_unclaimed = false;
    if (goal != NULL && strcmp(goal, toml) == 0)
        return 0;
    char *text = strdup(toml);
    if (text == NULL)
        return err_add(err, "out of memory");
    if (entry == NULL)
        entry = add(dynamic, owner, name, err);
    if (entry != NULL)
        note_change(dynamic, entry, text);
    else
        free(text);
    return entry != NULL ? 0 : -1;
}

/* ---- checking, outside of the lock ---- */

int dynamic_sections_add(struct dynamic_sections *sections, const char *owner, const char *name,
                         const char *text)
{
    struct config_extra *extra = &sections->extras[sections->count];
    *extra = (struct config_extra){strdup(owner), strdup(name), strdup(text)};
    sections->count++; /* also of a half-made one, which is freed with the rest */
    return extra->owner != NULL && extra->name != NULL && extra->text != NULL ? 0 : -1;
}

void dynamic_sections_fini(struct dynamic_sections *sections)
{
    for (unsigned i = 0; i < sections->count; i++) {
        free((char *)(uintptr_t)sections->extras[i].owner); /* copies of ours */
        free((char *)(uintptr_t)sections->extras[i].name);
        free((char *)(uintptr_t)sections->extras[i].text);
    }
    sections->count = 0;
}

/* As it would be with this section, and without those that failed. */
static int collect_goal(struct dynamic *dynamic, const struct config_extra *with,
                        struct dynamic_sections *out, struct config_files **files)
{
    int rc = 0;
    bool has_it = false;
    pthread_mutex_lock(&dynamic->lock);
    *files = dynamic->files != NULL ? config_files_get(dynamic->files) : NULL;
    for (unsigned i = 0; rc == 0 && i < dynamic->count; i++) {
        const struct entry *entry = dynamic->entries[i];
        bool is_it = strcmp(entry->name, with->name) == 0;
        const char *text = is_it ? with->text : entry_goal(entry);
        has_it |= is_it;
        if (text != NULL)
            rc = dynamic_sections_add(out, entry->owner, entry->name, text);
    }
    pthread_mutex_unlock(&dynamic->lock);
    if (rc == 0 && !has_it && out->count < DYNAMIC_SECTIONS_MAX)
        rc = dynamic_sections_add(out, with->owner, with->name, with->text);
    return rc;
}

static int check_kind(const struct setup *setup, const struct config_extra *with, struct err *err)
{
    const struct config_section *section = hekad_config_find(setup->config, with->name);
    if (section == NULL)
        return err_add(err, "'%s': there is no plugin '%s' that could add it", with->name,
                       with->owner);
    switch (plugin_category_of(section->type)) {
    case PLUGIN_INPUT:
    case PLUGIN_FILTER:
    case PLUGIN_OUTPUT:
        return 0;
    default:
        return err_add(err, "'%s': only inputs, filters and outputs can be added", with->name);
    }
}

static int check(struct dynamic *dynamic, const struct config_extra *with, struct err *err)
{
    struct dynamic_sections *sections = calloc(1, sizeof(*sections));
    struct err *notes = calloc(1, sizeof(*notes));
    struct setup *setup = NULL;
    struct setup_source source = {.run_dir = dynamic->run_dir, .is_check = true};
    int rc = -1;
    if (sections == NULL || notes == NULL ||
        collect_goal(dynamic, with, sections, &source.files) != 0) {
        err_add(err, "out of memory");
    } else if (source.files == NULL) {
        err_add(err, "'%s': hekad is not ready for dynamic sections", with->name);
    } else {
        source.extras = sections->extras;
        source.extra_count = sections->count;
        rc = setup_make(&source, &setup, err, notes);
        if (rc == 0)
            rc = check_kind(setup, with, err);
        setup_put(setup);
    }
    config_files_put(source.files);
    if (sections != NULL)
        dynamic_sections_fini(sections);
    free(sections);
    free(notes);
    return rc;
}

/* ---- for plugins ---- */

int dynamic_put(struct dynamic *dynamic, const char *owner, const char *name, const char *toml,
                struct err *err)
{
    const struct config_extra with = {owner, name, toml};
    if (strlen(toml) > DYNAMIC_TEXT_MAX)
        return err_add(err, "'%s': more than %d bytes", name, DYNAMIC_TEXT_MAX);
    if (check(dynamic, &with, err) != 0)
        return -1;
    pthread_mutex_lock(&dynamic->lock);
    int rc = put(dynamic, owner, name, toml, err);
    pthread_mutex_unlock(&dynamic->lock);
    return rc;
}

int dynamic_remove(struct dynamic *dynamic, const char *owner, const char *name)
{
    int rc = -1;
    pthread_mutex_lock(&dynamic->lock);
    struct entry *entry = find_of(dynamic, owner, name);
    if (entry != NULL && entry_goal(entry) != NULL) {
        note_change(dynamic, entry, NULL);
        rc = 0;
    } else if (entry != NULL && entry->has_failed) { /* there is nothing to do but to forget it */
        entry->has_failed = false;
        sweep(dynamic);
        rc = 0;
    }
    pthread_mutex_unlock(&dynamic->lock);
    return rc;
}

unsigned dynamic_count(struct dynamic *dynamic, const char *owner)
{
    unsigned count = 0;
    pthread_mutex_lock(&dynamic->lock);
    for (unsigned i = 0; i < dynamic->count; i++)
        count += strcmp(dynamic->entries[i]->owner, owner) == 0 &&
                 entry_goal(dynamic->entries[i]) != NULL;
    pthread_mutex_unlock(&dynamic->lock);
    return count;
}

enum dynamic_state dynamic_state(struct dynamic *dynamic, const char *owner, const char *name,
                                 char *text, size_t size)
{
    pthread_mutex_lock(&dynamic->lock);
    const struct entry *entry = find_of(dynamic, owner, name);
    enum dynamic_state state = entry != NULL ? entry_state(entry) : DYNAMIC_NONE;
    if (text != NULL)
        snprintf(text, size, "%s", state == DYNAMIC_FAILED ? entry->error : "");
    pthread_mutex_unlock(&dynamic->lock);
    return state;
}

const char *dynamic_state_name(enum dynamic_state state)
{
    static const char *const names[] = {"none", "pending", "running", "failed"};
    return names[state];
}

void dynamic_each(struct dynamic *dynamic, const char *owner, dynamic_visit_fn visit, void *arg)
{
    pthread_mutex_lock(&dynamic->lock);
    for (unsigned i = 0; i < dynamic->count; i++) {
        const struct entry *entry = dynamic->entries[i];
        const char *text = entry_goal(entry) != NULL ? entry_goal(entry) : "";
        const struct config_extra section = {entry->owner, entry->name, text};
        if (owner == NULL || strcmp(entry->owner, owner) == 0)
            visit(arg, &section, entry_state(entry), entry->has_failed ? entry->error : "");
    }
    pthread_mutex_unlock(&dynamic->lock);
}

/* ---- for main.c and reload.c ---- */

struct dynamic *dynamic_new(const char *run_dir)
{
    struct dynamic *dynamic = calloc(1, sizeof(*dynamic));
    if (dynamic == NULL)
        return NULL;
    dynamic->run_dir = run_dir;
    dynamic->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (dynamic->fd < 0 || pthread_mutex_init(&dynamic->lock, NULL) != 0) {
        if (dynamic->fd >= 0)
            close(dynamic->fd);
        free(dynamic);
        return NULL;
    }
    return dynamic;
}

void dynamic_free(struct dynamic *dynamic)
{
    if (dynamic == NULL)
        return;
    for (unsigned i = 0; i < dynamic->count; i++)
        entry_free(dynamic->entries[i]);
    config_files_put(dynamic->files);
    close(dynamic->fd);
    pthread_mutex_destroy(&dynamic->lock);
    free(dynamic);
}

int dynamic_fd(const struct dynamic *dynamic)
{
    return dynamic->fd;
}

void dynamic_set_files(struct dynamic *dynamic, struct config_files *files)
{
    pthread_mutex_lock(&dynamic->lock);
    struct config_files *former = dynamic->files;
    dynamic->files = config_files_get(files);
    pthread_mutex_unlock(&dynamic->lock);
    config_files_put(former);
}

static int adopt(struct dynamic *dynamic, const struct config_extra *extra)
{
    struct entry *entry = find(dynamic, extra->name);
    char *text = strdup(extra->text);
    bool is_put = entry != NULL; /* by its owner, before it could know */
    if (entry == NULL)
        entry = add(dynamic, extra->owner, extra->name, NULL);
    if (entry == NULL || text == NULL) {
        free(text);
        return -1;
    }
    replace(&entry->running, text);
    entry->is_unclaimed = !is_put;
    if (entry->is_wanted && entry->wanted != NULL && strcmp(entry->wanted, text) == 0)
        entry->is_wanted = false;
    return 0;
}

int dynamic_adopt(struct dynamic *dynamic, const struct dynamic_sections *sections,
                  const struct hekad_config *config)
{
    int rc = 0;
    pthread_mutex_lock(&dynamic->lock);
    for (unsigned i = 0; i < sections->count && rc == 0; i++) {
        const struct config_extra *extra = &sections->extras[i];
        if (hekad_config_find(config, extra->name) == NULL) /* its owner is gone */
            continue;
        rc = adopt(dynamic, extra);
    }
    dynamic->adopted_ns = clock_mono_ns();
    pthread_mutex_unlock(&dynamic->lock);
    return rc;
}

/* Those that their owners have not put again. */
static void drop_unclaimed(struct dynamic *dynamic, uint64_t now_ns)
{
    if (dynamic->adopted_ns == 0 || now_ns - dynamic->adopted_ns < UNCLAIMED_MS * CLOCK_NS_PER_MS)
        return;
    dynamic->adopted_ns = 0;
    for (unsigned i = 0; i < dynamic->count; i++) {
        struct entry *entry = dynamic->entries[i];
        if (!entry->is_unclaimed)
            continue;
        log_info("Plugin '%s': '%s' of an earlier run is not wanted any more", entry->owner,
                 entry->name);
        entry->is_unclaimed = false;
        note_change(dynamic, entry, NULL);
    }
}

bool dynamic_exited(struct dynamic *dynamic, const char *name, const char *error)
{
    pthread_mutex_lock(&dynamic->lock);
    struct entry *entry = find(dynamic, name);
    if (entry != NULL) {
        replace(&entry->running, NULL);
        entry->has_failed = true;
        snprintf(entry->error, sizeof(entry->error), "%s",
                 error[0] != '\0' ? error : "it has ended");
    }
    pthread_mutex_unlock(&dynamic->lock);
    return entry != NULL;
}

void dynamic_keep_owners(struct dynamic *dynamic, const struct hekad_config *config)
{
    pthread_mutex_lock(&dynamic->lock);
    for (unsigned i = dynamic->count; i-- > 0;)
        if (hekad_config_find(config, dynamic->entries[i]->owner) == NULL)
            remove_at(dynamic, i);
    pthread_mutex_unlock(&dynamic->lock);
}

static bool has_pending(const struct dynamic *dynamic)
{
    for (unsigned i = 0; i < dynamic->count; i++)
        if (dynamic->entries[i]->is_wanted)
            return true;
    return false;
}

static int until_due_ms(struct dynamic *dynamic, uint64_t now_ns)
{
    uint64_t count;
    if (read(dynamic->fd, &count, sizeof(count)) < 0)
        count = 0; /* nothing new */
    drop_unclaimed(dynamic, now_ns);
    if (!has_pending(dynamic)) {
        dynamic->first_ns = 0;
        return -1;
    }
    uint64_t due_ns = dynamic->last_ns + QUIET_MS * CLOCK_NS_PER_MS;
    uint64_t latest_ns = dynamic->first_ns + PATIENCE_MS * CLOCK_NS_PER_MS;
    if (due_ns > latest_ns)
        due_ns = latest_ns;
    return now_ns >= due_ns ? 0 : (int)((due_ns - now_ns) / CLOCK_NS_PER_MS) + 1;
}

int dynamic_due_ms(struct dynamic *dynamic, uint64_t now_ns)
{
    pthread_mutex_lock(&dynamic->lock);
    int ms = until_due_ms(dynamic, now_ns);
    pthread_mutex_unlock(&dynamic->lock);
    return ms;
}

static int collect(struct dynamic *dynamic, struct dynamic_sections *out)
{
    int rc = 0;
    out->count = 0;
    for (unsigned i = 0; rc == 0 && i < dynamic->count; i++) {
        const struct entry *entry = dynamic->entries[i];
        const char *text = entry->is_offered ? entry->offered : entry->running;
        if (text != NULL)
            rc = dynamic_sections_add(out, entry->owner, entry->name, text);
    }
    if (rc != 0)
        dynamic_sections_fini(out);
    return rc;
}

int dynamic_in_force(struct dynamic *dynamic, struct dynamic_sections *out)
{
    pthread_mutex_lock(&dynamic->lock);
    int rc = collect(dynamic, out);
    pthread_mutex_unlock(&dynamic->lock);
    return rc;
}

static void offer(struct dynamic *dynamic)
{
    dynamic->offered = 0;
    for (unsigned i = 0; i < dynamic->count; i++) {
        struct entry *entry = dynamic->entries[i];
        if (!entry->is_wanted || (dynamic->limit > 0 && dynamic->offered == dynamic->limit))
            continue;
        replace(&entry->offered, entry->wanted);
        entry->wanted = NULL;
        entry->is_wanted = false;
        entry->is_offered = true;
        dynamic->offered++;
    }
}

int dynamic_offer(struct dynamic *dynamic, struct dynamic_sections *out)
{
    pthread_mutex_lock(&dynamic->lock);
    offer(dynamic);
    int rc = collect(dynamic, out);
    pthread_mutex_unlock(&dynamic->lock);
    return rc;
}

static void end_offer(struct entry *entry, bool is_in_force, bool is_alone, const char *error)
{
    entry->is_offered = false;
    if (is_in_force) {
        replace(&entry->running, entry->offered);
    } else if (entry->is_wanted) { /* there is a newer one already */
        free(entry->offered);
    } else if (is_alone) {
        free(entry->offered);
        entry->has_failed = true;
        snprintf(entry->error, sizeof(entry->error), "%s", error);
        log_error("Plugin '%s': '%s' did not come into force: %s", entry->owner, entry->name,
                  error);
    } else {
        replace(&entry->wanted, entry->offered);
        entry->is_wanted = true;
    }
    entry->offered = NULL;
}

void dynamic_tried(struct dynamic *dynamic, bool is_in_force, const char *error)
{
    pthread_mutex_lock(&dynamic->lock);
    bool is_alone = dynamic->offered <= 1;
    for (unsigned i = 0; i < dynamic->count; i++)
        if (dynamic->entries[i]->is_offered)
            end_offer(dynamic->entries[i], is_in_force, is_alone, error);
    /* Halves, until it is clear whose fault it is. */
    dynamic->limit = is_in_force || is_alone ? 0 : dynamic->offered / 2;
    dynamic->offered = 0;
    if (!has_pending(dynamic))
        dynamic->first_ns = 0;
    sweep(dynamic);
    pthread_mutex_unlock(&dynamic->lock);
}
