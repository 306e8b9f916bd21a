/* SPDX-License-Identifier: MPL-2.0 */
#include "control/commands/top_command.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "control/admin.h"
#include "control/member.h"
#include "core/buffer.h"
#include "core/clock.h"

enum { LINES_DEFAULT = 24, COLUMNS_DEFAULT = 80, LINE_SIZE = 256 };

static volatile sig_atomic_t is_over;

static void end(int number)
{
    (void)number;
    is_over = 1;
}

/* ---- the picture ---- */

struct picture {
    FILE *out;
    unsigned left, columns;
    double seconds;
};

static void line(struct picture *picture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void line(struct picture *picture, const char *format, ...)
{
    char text[LINE_SIZE];
    va_list args;
    if (picture->left == 0)
        return;
    picture->left--;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (picture->columns > 0 && picture->columns < sizeof(text))
        text[picture->columns] = '\0';
    fprintf(picture->out, "%s\n", text);
}

static const json_t *same(const json_t *rows, const char *key, const char *name)
{
    size_t index;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, index, row)
    {
        if (strcmp(member_text(row, key), name) == 0)
            return row;
    }
    return NULL;
}

/* Per second since the picture before; -1: not known. */
static double rate(const struct picture *picture, const json_t *before, const json_t *now,
                   const char *key)
{
    if (before == NULL || picture->seconds <= 0)
        return -1;
    return (double)(member_integer(now, key) - member_integer(before, key)) / picture->seconds;
}

static const char *short_rate(double value, char text[16])
{
    if (value < 0)
        return "-";
    if (value >= 1e6)
        snprintf(text, 16, "%.2fM", value / 1e6);
    else if (value >= 1e4)
        snprintf(text, 16, "%.1fk", value / 1e3);
    else
        snprintf(text, 16, "%.0f", value);
    return text;
}

static void draw_head(struct picture *picture, const json_t *status)
{
    const json_t *plane = json_object_get(status, "dataplane");
    line(
        picture, "hekad %s  pid %lld  %s  up %lld s  generation %lld  data plane %s  residual %lld",
        member_text(status, "version"), member_integer(status, "pid"), member_text(status, "state"),
        member_integer(status, "uptime_s"), member_integer(status, "generation"),
        member_text(plane, "state"), member_integer(status, "residual"));
}

static void draw_stages(struct picture *picture, const json_t *before, const json_t *now)
{
    size_t index;
    json_t *row;
    line(picture, " ");
    line(picture, "%-10s %-10s %14s %10s %12s", "stage", "process", "in", "in/s", "in flight");
    json_array_foreach(json_object_get(now, "stages"), index, row)
    {
        const json_t *rows = json_object_get(before, "stages"), *former = NULL, *one;
        size_t at;
        char text[16];
        json_array_foreach((json_t *)(uintptr_t)rows, at, one)
        {
            if (strcmp(member_text(one, "stage"), member_text(row, "stage")) == 0 &&
                strcmp(member_text(one, "process"), member_text(row, "process")) == 0)
                former = one;
        }
        if (member_integer(row, "in") > 0)
            line(picture, "%-10s %-10s %14lld %10s %12lld", member_text(row, "stage"),
                 member_text(row, "process"), member_integer(row, "in"),
                 short_rate(rate(picture, former, row, "in"), text),
                 member_integer(row, "in_flight"));
    }
}

static void draw_consumers(struct picture *picture, const char *title, const json_t *before,
                           const json_t *now)
{
    size_t index;
    json_t *row;
    if (json_array_size(now) == 0)
        return;
    line(picture, " ");
    line(picture, "%-24s %-18s %14s %10s %10s %12s", title, "type", "delivered", "matched/s",
         "done/s", "waiting");
    json_array_foreach((json_t *)(uintptr_t)now, index, row)
    {
        const json_t *former = same(before, "name", member_text(row, "name"));
        char matched[16], done[16];
        if (index == TOP_ROWS_MAX)
            return;
        line(picture, "%-24.24s %-18.18s %14lld %10s %10s %12lld", member_text(row, "name"),
             member_text(row, "type"), member_integer(row, "delivered"),
             short_rate(rate(picture, former, row, "matched"), matched),
             short_rate(rate(picture, former, row, "delivered"), done),
             member_integer(row, "in_flight") + member_integer(row, "held") +
                 member_integer(row, "queued"));
    }
}

/* The counter of an input that grows fastest says most. */
static void draw_inputs(struct picture *picture, const json_t *before, const json_t *now)
{
    size_t index;
    json_t *row, *value;
    const char *key;
    if (json_array_size(now) == 0)
        return;
    line(picture, " ");
    line(picture, "%-24s %-18s %-24s %14s %10s", "input in hekad", "type", "counter", "value",
         "per s");
    json_array_foreach((json_t *)(uintptr_t)now, index, row)
    {
        const json_t *former = same(before, "name", member_text(row, "name"));
        const char *best = NULL;
        double best_rate = 0;
        char text[16];
        if (index == TOP_ROWS_MAX)
            return;
        json_object_foreach(json_object_get(row, "plugin"), key, value)
        {
            double one = rate(picture, json_object_get(former, "plugin"),
                              json_object_get(row, "plugin"), key);
            if (json_is_integer(value) && (best == NULL || one > best_rate)) {
                best = key;
                best_rate = one;
            }
        }
        line(picture, "%-24.24s %-18.18s %-24.24s %14lld %10s", member_text(row, "name"),
             member_text(row, "type"), best != NULL ? best : "",
             best != NULL ? member_integer(json_object_get(row, "plugin"), best) : 0,
             short_rate(best_rate, text));
    }
}

void top_draw(const json_t *before, const json_t *now, double seconds, unsigned lines,
              unsigned columns, FILE *out)
{
    struct picture picture = {
        .out = out, .left = lines > 0 ? lines : UINT32_MAX, .columns = columns, .seconds = seconds};
    draw_head(&picture, now);
    draw_stages(&picture, before, now);
    draw_inputs(&picture, json_object_get(before, "inputs"), json_object_get(now, "inputs"));
    draw_consumers(&picture, "filter", json_object_get(before, "filters"),
                   json_object_get(now, "filters"));
    draw_consumers(&picture, "output", json_object_get(before, "consumers"),
                   json_object_get(now, "consumers"));
}

/* ---- the terminal ---- */

struct terminal {
    bool is_screen, is_keyboard;
    struct termios saved;
};

static void terminal_begin(struct terminal *terminal, FILE *out)
{
    struct termios raw;
    terminal->is_screen = isatty(fileno(out)) == 1;
    terminal->is_keyboard = terminal->is_screen && tcgetattr(STDIN_FILENO, &terminal->saved) == 0;
    if (terminal->is_screen)
        fputs("\033[?1049h\033[?25l", out); /* another screen, no cursor */
    if (!terminal->is_keyboard)
        return;
    raw = terminal->saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void terminal_end(const struct terminal *terminal, FILE *out)
{
    if (terminal->is_keyboard)
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal->saved);
    if (terminal->is_screen)
        fputs("\033[?25h\033[?1049l", out);
    fflush(out);
}

/* Drawn aside and written at once, so that nothing flickers; each line wipes what was behind it. */
static void show(const struct terminal *terminal, const json_t *before, const json_t *now,
                 double seconds, FILE *out)
{
    struct winsize size = {0};
    char *text = NULL;
    size_t len = 0;
    if (!terminal->is_screen) {
        top_draw(before, now, seconds, 0, 0, out);
        fflush(out);
        return;
    }
    if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
        size = (struct winsize){.ws_row = LINES_DEFAULT, .ws_col = COLUMNS_DEFAULT};
    FILE *aside = open_memstream(&text, &len);
    if (aside == NULL)
        return;
    top_draw(before, now, seconds, size.ws_row - 1U, size.ws_col, aside);
    fclose(aside);
    fputs("\033[H", out);
    for (const char *at = text, *stop; (stop = strchr(at, '\n')) != NULL; at = stop + 1)
        fprintf(out, "%.*s\033[K\n", (int)(stop - at), at);
    fputs("\033[J", out);
    fflush(out);
    free(text);
}

/* False when it is to end. */
static bool wait_for_key(const struct terminal *terminal, unsigned ms)
{
    struct pollfd fd = {.fd = terminal->is_keyboard ? STDIN_FILENO : -1, .events = POLLIN};
    char key = 0;
    if (poll(&fd, 1, (int)ms) > 0 && read(STDIN_FILENO, &key, 1) <= 0)
        return false;
    return is_over == 0 && key != 'q' && key != 'Q';
}

int top_command(const struct top_config *config, FILE *out, struct err *err)
{
    struct terminal terminal = {0};
    json_t *before = NULL, *now = admin_ask(config->socket_path, "status", false, err);
    uint64_t before_ns = 0, now_ns = clock_mono_ns();
    if (now == NULL)
        return 1;
    signal(SIGINT, end);
    signal(SIGTERM, end);
    terminal_begin(&terminal, out);
    for (unsigned shown = 0; now != NULL; now_ns = clock_mono_ns()) {
        show(&terminal, before, now, (double)(now_ns - before_ns) / 1e9, out);
        json_decref(before);
        before = now;
        before_ns = now_ns;
        now = NULL;
        if (++shown == config->count || !wait_for_key(&terminal, config->interval_ms))
            break;
        now = admin_ask(config->socket_path, "status", false, err);
    }
    terminal_end(&terminal, out);
    json_decref(before);
    json_decref(now);
    return err->count > 0;
}
