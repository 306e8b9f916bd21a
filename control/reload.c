/* SPDX-License-Identifier: MPL-2.0 */
#include "control/reload.h"

#include <string.h>
#include <time.h>

#include "control/config/dynamic_file.h"
#include "control/plan_writer.h"
#include "control/plane.h"
#include "control/plugins/plugins.h"
#include "control/rule_store.h"
#include "control/plugins/slots.h"
#include "core/log.h"

enum {
    ADOPT_WAIT_MS = 2000, /* that the command waits for */
    ADOPT_SAY_MS = 10000,
    POLL_US = 200
};

/* What a reload cannot change. */
static int check_unchangeable(const struct daemon *daemon, const struct setup *next,
                              struct err *err)
{
    const struct setup *now = daemon->setup;
    if (strcmp(now->run_dir, next->run_dir) != 0)
        return err_add(err, "run_dir: a reload cannot change it; restart hekad");
    if ((now->core_map == NULL) != (next->core_map == NULL))
        return err_add(err, "[dataplane]: a reload cannot add or remove it; restart hekad");
    return 0;
}

struct keep_context {
    const struct daemon *daemon;
    const struct setup *next;
};

static int keep_running(void *arg, const struct consumer_ref *consumer)
{
    const struct keep_context *context = arg;
    return plugins_keep_slot(context->daemon, context->next, consumer);
}

static int choose_slots(struct daemon *daemon, struct setup *next, struct err *err)
{
    struct keep_context context = {daemon, next};
    struct slots taken = {0};
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->consumers[i].name != NULL)
            slots_take(&taken, i);
    return slots_assign(next->instances, taken, keep_running, &context, err);
}

/* ---- the data plane's part ---- */

/* The data plane reads the new plan; when it does not take it, the old one is put back. */
static int change_plan(struct daemon *daemon, struct setup *next, struct err *err)
{
    unsigned generation = daemon->generation + 1;
    if (plan_writer_write(next->instances, generation, daemon->plan_path, err) != 0)
        return -1;
    if (daemon->plane.state == PLANE_RUNNING && plane_ask_reload(daemon, err) != 0) {
        plan_writer_write(daemon->setup->instances, daemon->generation, daemon->plan_path, err);
        return -1;
    }
    return 0;
}

/* ---- the producers' part ---- */

struct prepare_context {
    struct producer_plan *plan;
    struct err *err;
    int rc;
};

static void prepare(void *arg, struct producer *producer)
{
    struct prepare_context *context = arg;
    if (context->rc == 0)
        context->rc = producer_prepare(producer, context->plan, context->err);
}

static void forget(void *arg, struct producer *producer)
{
    (void)arg;
    producer_forget(producer);
}

static void offer(void *arg, struct producer *producer)
{
    (void)arg;
    producer_offer(producer);
}

/* ---- both ---- */

static void finish(struct daemon *daemon)
{
    struct err err = {0};
    plugins_retire_others(daemon, daemon->next_setup);
    if (plugins_take(daemon, &err) != 0)
        log_error("Reload: %s", err.count > 0 ? err.texts[0] : "a plugin did not start");
    daemon->is_changing = false;
    rule_store_forget(daemon->setup->instances);
    setup_put(daemon->setup);
    daemon->setup = daemon->next_setup;
    daemon->next_setup = NULL;
    if (daemon->is_change_dynamic)
        dynamic_tried(daemon->dynamic, true, NULL);
    else
        log_info("Reload complete: generation %u", daemon->generation);
}

static void begin(struct daemon *daemon, struct setup *next, struct producer_plan *take_plan)
{
    plugins_each_producer(daemon, offer, NULL);
    producer_plan_put(daemon->plan);
    daemon->plan = take_plan;
    daemon->generation++;
    daemon->next_setup = next;
    daemon->is_changing = true;
    daemon->said_changing = false;
    daemon->changing_since_ns = daemon->now_ns;
}

static bool have_adopted(struct daemon *daemon)
{
    return plugins_find_producer(daemon, producer_has_adopted) == NULL;
}

static void wait_a_while(struct daemon *daemon)
{
    const struct timespec pause = {0, POLL_US * 1000};
    uint64_t until_ns = clock_mono_ns() + ADOPT_WAIT_MS * CLOCK_NS_PER_MS;
    while (!have_adopted(daemon) && clock_mono_ns() < until_ns)
        nanosleep(&pause, NULL);
    reload_step(daemon);
}

void reload_step(struct daemon *daemon)
{
    if (!daemon->is_changing)
        return;
    struct producer *slow = plugins_find_producer(daemon, producer_has_adopted);
    if (slow == NULL) {
        finish(daemon);
    } else if (!daemon->said_changing &&
               daemon_is_over(daemon, daemon->changing_since_ns, ADOPT_SAY_MS)) {
        log_error("Reload: '%s' has not changed over yet", producer_name(slow));
        daemon->said_changing = true;
    }
}

/* Plugins that are made may add sections, which are to fit the files that come. */
static int make_all(struct daemon *daemon, struct setup *next, struct producer_plan *plan,
                    struct err *err)
{
    struct prepare_context context = {plan, err, 0};
    plugins_each_producer(daemon, prepare, &context);
    if (context.rc != 0)
        return -1;
    dynamic_set_files(daemon->dynamic, next->config->files);
    if (plugins_make(daemon, next, plan, err) == 0 && change_plan(daemon, next, err) == 0)
        return 0;
    dynamic_set_files(daemon->dynamic, daemon->setup->config->files);
    return -1;
}

static int make_and_change(struct daemon *daemon, struct setup *next, struct err *err)
{
    struct producer_plan *plan = producer_plan_new(next->instances, daemon->generation + 1, err);
    if (plan == NULL)
        return -1;
    if (make_all(daemon, next, plan, err) != 0) {
        plugins_each_producer(daemon, forget, NULL);
        plugins_give_up(daemon);
        producer_plan_put(plan);
        return -1;
    }
    begin(daemon, next, plan);
    return 0;
}

static int change_to(struct daemon *daemon, struct setup *take_next, struct err *err)
{
    if (check_unchangeable(daemon, take_next, err) == 0 &&
        choose_slots(daemon, take_next, err) == 0 && make_and_change(daemon, take_next, err) == 0)
        return 0;
    setup_put(take_next);
    return -1;
}

static void save_sections(struct daemon *daemon)
{
    static struct dynamic_sections sections;
    if (dynamic_in_force(daemon->dynamic, &sections) == 0)
        dynamic_file_save(daemon->run_dir.path, &sections);
    dynamic_sections_fini(&sections);
}

/* ---- the user's ---- */

static int load_and_change(struct daemon *daemon, struct err *err)
{
    static struct err notes;
    static struct dynamic_sections sections;
    struct setup_source source = {.run_dir = daemon->config->run_dir};
    struct setup *next = NULL;
    notes.count = 0;
    if (daemon->state != HEKAD_RUNNING)
        return err_add(err, "hekad is about to stop");
    if (daemon->plane.state != PLANE_NONE && daemon->plane.state != PLANE_RUNNING)
        return err_add(err, "the data plane is %s; try again when it runs",
                       plane_state_name(daemon));
    if (daemon->is_changing)
        return err_add(err, "generation %u is not adopted by everybody yet; try again later",
                       daemon->generation);
    if (dynamic_in_force(daemon->dynamic, &sections) != 0)
        return err_add(err, "out of memory");
    source.extras = sections.extras;
    source.extra_count = sections.count;
    source.is_incomplete = config_files_read(daemon->config->config_path, &source.files, err) != 0;
    int rc = source.files != NULL ? setup_make(&source, &next, err, &notes) : -1;
    config_files_put(source.files);
    dynamic_sections_fini(&sections);
    if (rc != 0)
        return -1;
    daemon->is_change_dynamic = false;
    rc = change_to(daemon, next, err);
    dynamic_keep_owners(daemon->dynamic, (rc == 0 ? next : daemon->setup)->config);
    if (rc == 0)
        plugins_forget_exited(daemon);
    save_sections(daemon);
    return rc;
}

int reload(struct daemon *daemon, struct err *err)
{
    log_info("Reload initiated.");
    if (daemon->config->config_path == NULL) {
        for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
            if (daemon->consumers[i].output != NULL)
                consumer_reload(daemon->consumers[i].output);
        return 0;
    }
    if (daemon->is_changing) /* to dynamic sections: it is about to be done */
        wait_a_while(daemon);
    if (load_and_change(daemon, err) != 0) {
        for (unsigned i = 0; i < err->count && i < ERR_LIST_MAX; i++)
            log_error("%s", err->texts[i]);
        log_error("Reload failed: the configuration in force stays");
        return -1;
    }
    wait_a_while(daemon);
    return 0;
}

/* ---- of dynamic sections ---- */

static int make_setup(struct daemon *daemon, struct setup **next, struct err *err)
{
    static struct err notes;
    static struct dynamic_sections sections;
    struct setup_source source = {
        .run_dir = daemon->config->run_dir,
        .files = daemon->setup->config->files,
        .excluded = daemon->exited,
        .excluded_count = daemon->exited_count,
    };
    notes.count = 0;
    if (dynamic_offer(daemon->dynamic, &sections) != 0)
        return err_add(err, "out of memory");
    source.extras = sections.extras;
    source.extra_count = sections.count;
    int rc = setup_make(&source, next, err, &notes);
    if (rc == 0) /* before the plan: it has consumers of these sections */
        dynamic_file_save(daemon->run_dir.path, &sections);
    dynamic_sections_fini(&sections);
    return rc;
}

void reload_dynamic(struct daemon *daemon)
{
    static struct err err;
    struct setup *next = NULL;
    bool is_quiet = daemon->state == HEKAD_RUNNING && !daemon->is_changing &&
                    (daemon->plane.state == PLANE_NONE || daemon->plane.state == PLANE_RUNNING);
    /* Always asked: that is what makes dynamic_fd() unreadable. */
    bool is_due = dynamic_due_ms(daemon->dynamic, clock_mono_ns()) == 0;
    if (!is_quiet || (!is_due && !daemon->is_exit_pending))
        return;
    err.count = 0;
    daemon->is_change_dynamic = true;
    if (make_setup(daemon, &next, &err) == 0 && change_to(daemon, next, &err) == 0) {
        daemon->is_exit_pending = false;
        return;
    }
    dynamic_tried(daemon->dynamic, false, err.count > 0 ? err.texts[0] : "no reason");
    save_sections(daemon);
    if (daemon->is_exit_pending)
        log_error("A plugin that has stopped cannot be left out: %s",
                  err.count > 0 ? err.texts[0] : "no reason");
    daemon->is_exit_pending = false;
}
