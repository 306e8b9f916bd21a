/* SPDX-License-Identifier: MPL-2.0 */
#include "control/reload.h"

#include <string.h>
#include <time.h>

#include "control/plan_writer.h"
#include "control/plane.h"
#include "control/plugins.h"
#include "control/slots.h"
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
    setup_put(daemon->setup);
    daemon->setup = daemon->next_setup;
    daemon->next_setup = NULL;
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

static int make_and_change(struct daemon *daemon, struct setup *next, struct err *err)
{
    struct producer_plan *plan = producer_plan_new(next->instances, daemon->generation + 1, err);
    if (plan == NULL)
        return -1;
    struct prepare_context context = {plan, err, 0};
    plugins_each_producer(daemon, prepare, &context);
    if (context.rc != 0 || plugins_make(daemon, next, plan, err) != 0 ||
        change_plan(daemon, next, err) != 0) {
        plugins_each_producer(daemon, forget, NULL);
        plugins_give_up(daemon);
        producer_plan_put(plan);
        return -1;
    }
    begin(daemon, next, plan);
    return 0;
}

static int load_and_change(struct daemon *daemon, struct err *err)
{
    static struct err notes;
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
    if (setup_load(daemon->config->config_path, daemon->config->run_dir, &next, err, &notes) != 0)
        return -1;
    if (check_unchangeable(daemon, next, err) == 0 && choose_slots(daemon, next, err) == 0 &&
        make_and_change(daemon, next, err) == 0)
        return 0;
    setup_put(next);
    return -1;
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
    if (load_and_change(daemon, err) != 0) {
        for (unsigned i = 0; i < err->count && i < ERR_LIST_MAX; i++)
            log_error("%s", err->texts[i]);
        log_error("Reload failed: the configuration in force stays");
        return -1;
    }
    wait_a_while(daemon);
    return 0;
}
