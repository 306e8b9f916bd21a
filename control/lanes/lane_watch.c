/* SPDX-License-Identifier: MPL-2.0 */
#include "control/lanes/lane_watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

/* A wake-up that comes between looking at the list and going to sleep is made up for by this. */
#define LOOK_AGAIN_NS (200 * CLOCK_NS_PER_MS)

struct lane_watch {
    struct bell *bell;
    pthread_t thread;
    pthread_mutex_t lock; /* of the two below */
    pthread_cond_t changed;
    struct attachment *attachment; /* the living one, or NULL */
    bool must_end;
};

/* The attachment to watch, with a reference; waits for one. NULL: the end. */
static struct attachment *next_attachment(struct lane_watch *watch)
{
    struct attachment *attachment = NULL;
    pthread_mutex_lock(&watch->lock);
    while (!watch->must_end && watch->attachment == NULL)
        pthread_cond_wait(&watch->changed, &watch->lock);
    if (!watch->must_end)
        attachment = attachment_get(watch->attachment);
    pthread_mutex_unlock(&watch->lock);
    return attachment;
}

static bool is_current(struct lane_watch *watch, const struct attachment *attachment)
{
    pthread_mutex_lock(&watch->lock);
    bool is_current = !watch->must_end && watch->attachment == attachment;
    pthread_mutex_unlock(&watch->lock);
    return is_current;
}

static void *run(void *arg)
{
    struct lane_watch *watch = arg;
    struct attachment *attachment;
    pthread_setname_np(pthread_self(), "lane_watch");
    while ((attachment = next_attachment(watch)) != NULL) {
        uint32_t seen = segment_wait(&attachment->segment, 0, 0);
        bell_ring(watch->bell); /* for what was there before */
        while (is_current(watch, attachment)) {
            uint32_t rings = segment_wait(&attachment->segment, seen, LOOK_AGAIN_NS);
            if (rings != seen)
                bell_ring(watch->bell);
            seen = rings;
        }
        attachment_put(attachment);
    }
    return NULL;
}

struct lane_watch *lane_watch_new(struct bell *bell, struct err *err)
{
    struct lane_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    watch->bell = bell;
    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->changed, NULL);
    int rc = pthread_create(&watch->thread, NULL, run, watch);
    if (rc != 0) {
        err_add(err, "lanes cannot be watched: %s", strerror(rc));
        pthread_cond_destroy(&watch->changed);
        pthread_mutex_destroy(&watch->lock);
        free(watch);
        return NULL;
    }
    return watch;
}

static void change(struct lane_watch *watch, struct attachment *attachment, bool must_end)
{
    pthread_mutex_lock(&watch->lock);
    struct attachment *former = watch->attachment;
    watch->attachment = attachment;
    watch->must_end = must_end;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
    if (former != NULL)
        segment_wake(&former->segment);
    attachment_put(former);
}

void lane_watch_set(struct lane_watch *watch, struct attachment *attachment)
{
    change(watch, attachment != NULL ? attachment_get(attachment) : NULL, false);
}

void lane_watch_free(struct lane_watch *watch)
{
    if (watch == NULL)
        return;
    change(watch, NULL, true);
    pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}
