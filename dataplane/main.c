/* SPDX-License-Identifier: MPL-2.0
 *
 * main.c - heka-dataplane: arguments, start, stop.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/paths.h"
#include "dataplane/appliance.h"
#include "dataplane/command.h"
#include "dataplane/privileges.h"
#include "dataplane/replay.h"
#include "dataplane/telemetry.h"
#include "stats/name_hash.h"

enum {
    STEP_BUSY_NS = 1000 * 1000,       /* housekeeping's pause while it flushes */
    STEP_IDLE_NS = 10 * 1000 * 1000,  /* and otherwise */
    DRAIN_MAX_S = 10                  /* how long the end waits for consumers */
};

struct arguments {
    const char *core_map, *plan, *run_dir, *profile_dir, *user, *break_counter;
    bool check, keep_root, has_impair;
    struct impair_config impair;
    struct replay_config replay;
};

static volatile sig_atomic_t stop_asked;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stop_asked = 1;
}

static void print_help(FILE *out)
{
    fputs("heka-dataplane: polls ports, aggregates statsd, makes messages, fills lanes\n\n"
          "  --core-map FILE      which core polls which queue (docs/formats/core_map.md)\n"
          "  --plan FILE          listeners, accumulators, consumers (docs/formats/plan.md)\n"
          "  --run-dir DIR        where segment and lanes are made; default /run/hekaline\n"
          "  --profile-dir DIR    NIC profiles; default: the installed ones\n"
          "  --user NAME          become this user after start; default heka, else nobody\n"
          "  --no-drop            stay root\n"
          "  --check              check core map and plan, start nothing\n"
          "  --replay FILE.pcap   run on a trace, without any right; JSON on standard output\n"
          "    --address IP/LEN   an address that is ours in the trace (repeatable)\n"
          "    --now NS           time of the run; default: the trace's first frame\n"
          "  --break-counter NAME testing: add 1 to a counter, so that the ledger is wrong\n"
          "  --impair loss=N,ack_loss=N,reorder=N,duplicate=N,seed=N\n"
          "                       testing: does that to N of a thousand TCP frames\n"
          "  --version, --help\n",
          out);
}

enum option_id {
    OPT_CORE_MAP = 256, OPT_PLAN, OPT_RUN_DIR, OPT_PROFILE_DIR, OPT_USER, OPT_NO_DROP, OPT_CHECK,
    OPT_REPLAY, OPT_ADDRESS, OPT_NOW, OPT_BREAK_COUNTER, OPT_IMPAIR, OPT_VERSION, OPT_HELP
};

static const struct option options[] = {
    {"core-map", required_argument, NULL, OPT_CORE_MAP},
    {"plan", required_argument, NULL, OPT_PLAN},
    {"run-dir", required_argument, NULL, OPT_RUN_DIR},
    {"profile-dir", required_argument, NULL, OPT_PROFILE_DIR},
    {"user", required_argument, NULL, OPT_USER},
    {"no-drop", no_argument, NULL, OPT_NO_DROP},
    {"check", no_argument, NULL, OPT_CHECK},
    {"replay", required_argument, NULL, OPT_REPLAY},
    {"address", required_argument, NULL, OPT_ADDRESS},
    {"now", required_argument, NULL, OPT_NOW},
    {"break-counter", required_argument, NULL, OPT_BREAK_COUNTER},
    {"impair", required_argument, NULL, OPT_IMPAIR},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static int parse_now(const char *text, uint64_t *now_ns, struct err *err)
{
    char *end;
    errno = 0;
    *now_ns = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *now_ns == 0)
        return err_add(err, "--now: found '%s', allowed nanoseconds since 1970", text);
    return 0;
}

static int add_address(struct replay_config *replay, const char *text, struct err *err)
{
    if (replay->address_count == REPLAY_ADDRESSES_MAX)
        return err_add(err, "--address: more than %d", REPLAY_ADDRESSES_MAX);
    replay->addresses[replay->address_count++] = text;
    return 0;
}

/* 0: go on; 1: done; -1: errors. */
static int set_option(struct arguments *arguments, int id, struct err *err)
{
    switch (id) {
    case OPT_CORE_MAP: arguments->core_map = optarg; return 0;
    case OPT_PLAN: arguments->plan = optarg; return 0;
    case OPT_RUN_DIR: arguments->run_dir = optarg; return 0;
    case OPT_PROFILE_DIR: arguments->profile_dir = optarg; return 0;
    case OPT_USER: arguments->user = optarg; return 0;
    case OPT_NO_DROP: arguments->keep_root = true; return 0;
    case OPT_CHECK: arguments->check = true; return 0;
    case OPT_REPLAY: arguments->replay.pcap = optarg; return 0;
    case OPT_ADDRESS: return add_address(&arguments->replay, optarg, err);
    case OPT_NOW: return parse_now(optarg, &arguments->replay.now_ns, err);
    case OPT_BREAK_COUNTER: arguments->break_counter = optarg; return 0;
    case OPT_IMPAIR:
        arguments->has_impair = true;
        return impair_parse(optarg, &arguments->impair, err);
    case OPT_VERSION: puts("heka-dataplane " HEKA_VERSION); return 1;
    case OPT_HELP: print_help(stdout); return 1;
    default: return err_add(err, "see heka-dataplane --help");
    }
}

static int parse_arguments(int argc, char **argv, struct arguments *arguments, struct err *err)
{
    int id, rc = 0;
    while (rc == 0 && (id = getopt_long(argc, argv, "", options, NULL)) != -1)
        rc = set_option(arguments, id, err);
    if (rc != 0)
        return rc;
    if (optind < argc)
        return err_add(err, "argument '%s' is not understood; see --help", argv[optind]);
    if (arguments->replay.pcap == NULL && (arguments->core_map == NULL || arguments->plan == NULL))
        return err_add(err, "--core-map and --plan are needed, or --replay; see --help");
    return 0;
}

static int load(const struct arguments *arguments, struct core_map **map, struct plan **plan,
                struct err *err)
{
    struct core_map_machine machine;
    core_map_machine_read(&machine);
    int rc = core_map_load(arguments->core_map, arguments->profile_dir, &machine, map, err);
    rc |= plan_load(arguments->plan, plan, err);
    return rc;
}

/* ---- running ---- */

static void pause_ns(long ns)
{
    struct timespec pause = {.tv_nsec = ns};
    nanosleep(&pause, NULL);
}

/* Pauses between two steps; hekad hears of messages meanwhile. */
static void pause_ringing(struct housekeeping *housekeeping, uint64_t pause)
{
    uint64_t now_ns = clock_mono_ns(), until_ns = now_ns + pause;
    for (; now_ns < until_ns && !stop_asked; now_ns = clock_mono_ns()) {
        uint64_t slice_ns = housekeeping_ring(housekeeping, now_ns);
        pause_ns((long)(slice_ns < until_ns - now_ns ? slice_ns : until_ns - now_ns));
    }
}

struct patience {
    struct housekeeping *housekeeping;
    uint64_t until_mono_ns;
};

static bool wait_for_consumers(void *arg)
{
    const struct patience *patience = arg;
    housekeeping_ring(patience->housekeeping, clock_mono_ns());
    pause_ns(STEP_BUSY_NS);
    return clock_mono_ns() < patience->until_mono_ns;
}

static void set_state(struct appliance *appliance, enum segment_state state)
{
    /* Pairs with the acquire load in segment_attach: all of the segment is there before RUNNING. */
    atomic_store_explicit(&appliance->segment.header->state, state, memory_order_release);
}

static void run(struct appliance *appliance, struct command_server *server,
                const char *break_counter)
{
    struct housekeeping *housekeeping = &appliance->housekeeping;
    if (break_counter != NULL)
        housekeeping->counters.values[counter_find(break_counter)]++;
    while (!stop_asked) {
        bool busy = housekeeping_step(housekeeping, clock_wall_ns(), clock_mono_ns());
        command_step(server, clock_wall_ns(), clock_mono_ns());
        pause_ringing(housekeeping, busy ? STEP_BUSY_NS : STEP_IDLE_NS);
    }
}

static void stop(struct appliance *appliance)
{
    struct patience patience = {&appliance->housekeeping,
                                clock_mono_ns() + DRAIN_MAX_S * CLOCK_NS_PER_S};
    set_state(appliance, SEGMENT_STOPPING);
    appliance_join(appliance);
    appliance_last_flush(appliance, clock_wall_ns(), wait_for_consumers, &patience);
    /* What is in the lanes then stays in their files: hekad reads on behind STOPPED. */
    while (!appliance_drained(appliance) && wait_for_consumers(&patience))
        ;
    set_state(appliance, SEGMENT_STOPPED);
}

static uint64_t random_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        seed = clock_wall_ns() ^ (uint64_t)getpid() << 32;
    return seed;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Makes the plan's folder the working directory, so that a reload can read the plan also when the
 * folders above are closed to the user that we become. Returns the plan's name in it. */
static const char *enter_plan_dir(const char *plan, struct err *err)
{
    char dir[1024];
    const char *slash = strrchr(plan, '/');
    if (slash == NULL)
        return plan;
    int len = snprintf(dir, sizeof(dir), "%.*s/", (int)(slash - plan), plan);
    if (len >= (int)sizeof(dir) || chdir(dir) != 0) {
        err_add(err, "%s: %s", plan, len >= (int)sizeof(dir) ? "too long" : strerror(errno));
        return NULL;
    }
    return slash + 1;
}

static int serve(const struct arguments *arguments, const struct core_map *map,
                 struct plan *plan, struct err *err)
{
    static struct appliance appliance;
    struct privileges_user user;
    bool drop = geteuid() == 0 && !arguments->keep_root;
    if (drop && privileges_find(arguments->user, &user, err) != 0)
        return -1;
    drop = drop && (arguments->user != NULL || privileges_can_drop(&user));
    if (arguments->break_counter != NULL && counter_find(arguments->break_counter) < 0)
        return err_add(err, "--break-counter: there is no counter '%s'",
                       arguments->break_counter);
    struct appliance_config config = {
        .program = "heka-dataplane",
        .map = map,
        .plan = plan,
        .run_dir = arguments->run_dir,
        .group = drop ? user.gid : (gid_t)-1,
        .telemetry = true,
        .now_ns = clock_wall_ns(),
        .seed = random_seed(),
        .impair = arguments->has_impair ? &arguments->impair : NULL,
    };
    if (mkdir(arguments->run_dir, 0755) != 0 && errno != EEXIST)
        return err_add(err, "%s: %s", arguments->run_dir, strerror(errno));
    core_map_print(map, stdout);
    if (plan->database.file == NULL)
        puts("the rules were compiled here: the plan names no database");
    fflush(stdout);
    if (appliance_open(&config, &appliance, err) != 0)
        return -1;
    catch_signals(); /* after EAL, before anybody can know that we run */
    appliance.housekeeping.flusher.names_offenders = true;
    struct command_server server = {.housekeeping = &appliance.housekeeping,
                                    .listen_fd = -1,
                                    .client_fd = -1};
    if (telemetry_register(&appliance.segment, err) != 0 ||
        command_open(&server, arguments->run_dir, config.group, err) != 0 ||
        (server.plan_path = enter_plan_dir(arguments->plan, err)) == NULL ||
        (drop && privileges_drop(&user, err) != 0) ||
        (!arguments->keep_root && privileges_clear(err) != 0) ||
        appliance_launch(&appliance, err) != 0) {
        command_close(&server);
        appliance_close(&appliance);
        return -1;
    }
    set_state(&appliance, SEGMENT_RUNNING);
    bool is_huge = appliance.segment.header->lane_pages == SEGMENT_PAGES_HUGE;
    printf("data plane running: pid %d, %u workers, %u lanes in %s pages\n", (int)getpid(),
           appliance.worker_count, appliance.worker_count + 1, is_huge ? "huge" : "normal");
    fflush(stdout);
    run(&appliance, &server, arguments->break_counter);
    stop(&appliance);
    command_close(&server);
    appliance_close(&appliance);
    return 0;
}

static int load_and_serve(const struct arguments *arguments, struct err *err)
{
    struct core_map *map = NULL;
    struct plan *plan = NULL;
    int rc = load(arguments, &map, &plan, err);
    if (rc == 0 && !arguments->check)
        rc = serve(arguments, map, plan, err);
    plan_free(plan);
    core_map_free(map);
    return rc;
}

int main(int argc, char **argv)
{
    static struct err err;
    static char run_dir[1024], profile_dir[1024];
    struct arguments arguments = {.run_dir = run_dir, .profile_dir = profile_dir};
    paths_run_dir(run_dir, sizeof(run_dir));
    paths_profile_dir(profile_dir, sizeof(profile_dir)); /* none: loading says so */
    int rc = parse_arguments(argc, argv, &arguments, &err);
    if (rc == 0 && arguments.replay.pcap != NULL) {
        arguments.replay.program = argv[0];
        arguments.replay.plan = arguments.plan;
        arguments.replay.profile_dir = arguments.profile_dir;
        arguments.replay.break_counter = arguments.break_counter;
        rc = replay_run(&arguments.replay, &err);
    } else if (rc == 0) {
        name_key_seed();
        rc = load_and_serve(&arguments, &err);
    }
    err_print(&err, stderr);
    return rc < 0 ? 1 : 0;
}
