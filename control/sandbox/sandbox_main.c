/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_main.c - heka-sandbox: a worker of hekad's for Lua plugins. hekad starts it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/sandbox/sandbox_worker.h"

/* Lazily taken; a script may use SANDBOX_C_STACK_SIZE of it. */
enum { STACK_BYTES = 64 << 20 };

struct run {
    struct sandbox_page *page;
    int exit_code;
    struct err err;
};

static void *run_thread(void *arg)
{
    struct run *run = arg;
    run->exit_code = sandbox_worker_run(run->page, &run->err);
    return NULL;
}

static int run_worker(struct run *run)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (pthread_create(&thread, &attributes, run_thread, run) == 0)
        pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    return run->exit_code;
}

int main(int argc, char **argv)
{
    static struct run run = {.exit_code = EXIT_FAILURE};
    if (argc != 2 || strcmp(argv[1], "--worker") != 0) {
        fprintf(stderr, "heka-sandbox %s: runs Lua plugins for hekad, which starts it\n",
                HEKA_VERSION);
        return EXIT_FAILURE;
    }
    int exit_code = sandbox_worker_open(&run.page, &run.err);
    if (exit_code == 0)
        exit_code = run_worker(&run);
    for (unsigned i = 0; i < run.err.count && i < ERR_LIST_MAX; i++)
        fprintf(stderr, "heka-sandbox: %s\n", run.err.texts[i]);
    _exit(exit_code); /* nothing that a sealed process could still do at its end */
}
