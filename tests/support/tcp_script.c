/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_script.c - runs scripts of a TCP peer against a stack.
 *
 *   tcp_script ours|kernel FILE...      prints "ok NAME" or "FAILED NAME: LINE: TEXT" for each
 *
 * The language is described in tests/golden/tcp/README.md. Exit status 1 when a script failed.
 */
#include "tests/support/tcp_script.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/octets.h"

enum {
    LINE_SIZE = 256,
    PEER_ISS = 1000,
    PORT_FIRST = 20000,
    REPLY_MS = 700,  /* a delayed ACK of any stack comes sooner */
    ANSWERS_MAX = 8, /* that are passed over; everything ends within seconds */
    FILL_WAIT_MS = 60,
    FILL_WAITS_MAX = 30,
    FILL_BYTES_MAX = 8 << 20,
    FILL_SEGMENT = 1000,
    DRAIN_MAX = 64,
    FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32
};

struct sent { /* a segment of a script's ">" or "<" line */
    uint8_t flags;
    uint32_t seq, end, ack; /* relative: 0 is the SYN's */
    bool has_seq, has_ack;
    unsigned window;
    bool has_ts;
    uint32_t ts, tsecr;
    bool has_tsecr;
    unsigned mss, shift;
    bool has_mss, has_shift, has_sack_ok;
    /* expectations */
    unsigned sack_count;
    uint32_t sacks[4][2];
    bool has_sacks, no_sacks, no_ts;
    char window_relation; /* '=', '>', '<', or 0 */
};

struct answer {
    uint8_t flags, shift;
    uint32_t seq, ack, window; /* in bytes */
    bool has_ts, has_mss, has_shift, has_sack_ok;
    uint32_t tsval, tsecr;
    unsigned sack_count;
    uint32_t sacks[4][2];
};

static struct {
    const struct script_stack *stack;
    const char *file;
    unsigned line;
    uint16_t port;
    uint32_t iss; /* the stack's */
    bool is_synced, uses_ts;
    unsigned shift; /* the stack's */
    uint32_t ts, last_tsval;
    uint32_t window; /* as it said last, in bytes */
    uint32_t acked;  /* relative */
    jmp_buf failed;
} script;

_Noreturn void script_die(const char *what)
{
    printf("FAILED %s: line %u: %s\n", script.file, script.line, what);
    longjmp(script.failed, 1);
}

static bool check(bool holds, const char *what)
{
    if (!holds)
        script_die(what);
    return holds;
}

/* ---- one line to a segment ---- */

static uint8_t flags_of(const char *word)
{
    uint8_t flags = 0;
    for (; *word != '\0'; word++)
        switch (*word) {
        case 'S': flags |= SYN; break;
        case 'F': flags |= FIN; break;
        case 'R': flags |= RST; break;
        case 'P': flags |= PSH; break;
        case 'U': flags |= URG; break;
        case '.': flags |= ACK; break;
        case '-': break; /* none at all */
        default: script_die("flags");
        }
    return flags;
}

static uint32_t number(const char *word)
{
    char *end;
    if (word == NULL)
        script_die("a number is missing");
    unsigned long value = strtoul(word, &end, 10);
    check(*end == '\0', "a number is malformed");
    return (uint32_t)value;
}

static void parse_sacks(char *word, struct sent *sent)
{
    char *save;
    for (char *block = strtok_r(word, ",", &save); block != NULL;
         block = strtok_r(NULL, ",", &save)) {
        check(sent->sack_count < 4 && sscanf(block, "%u:%u", &sent->sacks[sent->sack_count][0],
                                             &sent->sacks[sent->sack_count][1]) == 2,
              "sack");
        sent->sack_count++;
    }
    sent->has_sacks = true;
}

static void parse_window(const char *word, struct sent *sent)
{
    check(word != NULL, "win");
    sent->window_relation = *word == '<' || *word == '>' ? *word++ : '=';
    sent->window = number(word);
}

static void parse_option(const char *word, struct sent *sent, char **save)
{
    if (strcmp(word, "seq") == 0) {
        sent->has_seq = true;
        sent->seq = number(strtok_r(NULL, " ", save));
    } else if (strcmp(word, "ack") == 0) {
        sent->has_ack = true;
        sent->ack = number(strtok_r(NULL, " ", save));
    } else if (strcmp(word, "next") == 0) {
        sent->has_seq = true;
        sent->seq = script.acked;
        sent->end = script.acked + number(strtok_r(NULL, " ", save));
    } else if (strcmp(word, "acked") == 0) {
        sent->has_ack = true;
        sent->ack = script.acked + number(strtok_r(NULL, " ", save));
    } else if (strcmp(word, "win") == 0) {
        parse_window(strtok_r(NULL, " ", save), sent);
    } else if (strcmp(word, "ts") == 0) {
        sent->has_ts = true;
        sent->ts = number(strtok_r(NULL, " ", save));
    } else if (strcmp(word, "tsecr") == 0) {
        sent->has_tsecr = true;
        sent->tsecr = number(strtok_r(NULL, " ", save));
    } else if (strcmp(word, "nots") == 0) {
        sent->no_ts = true;
    } else if (strcmp(word, "mss") == 0) {
        sent->has_mss = true;
        sent->mss = 1460;
    } else if (strcmp(word, "ws") == 0) {
        sent->has_shift = true;
        sent->shift = 7;
    } else if (strcmp(word, "sackok") == 0) {
        sent->has_sack_ok = true;
    } else if (strcmp(word, "sack") == 0) {
        parse_sacks(strtok_r(NULL, " ", save), sent);
    } else if (strcmp(word, "nosack") == 0) {
        sent->no_sacks = true;
    } else if (sscanf(word, "%u:%u", &sent->seq, &sent->end) == 2) {
        sent->has_seq = true;
    } else {
        script_die("a word is not known");
    }
}

static struct sent parse_segment(char *line)
{
    struct sent sent = {0};
    char *save, *word = strtok_r(line, " ", &save);
    check(word != NULL, "no flags");
    sent.flags = flags_of(word);
    while ((word = strtok_r(NULL, " ", &save)) != NULL)
        parse_option(word, &sent, &save);
    return sent;
}

/* ---- ">": the peer sends ---- */

static uint8_t *put_be32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        *at++ = (uint8_t)(value >> (24 - 8 * i));
    return at;
}

static uint8_t *put_options(const struct sent *sent, uint8_t *at)
{
    static const uint8_t mss[] = {2, 4, 0x05, 0xb4}, shift[] = {1, 3, 3, 7}, sack[] = {1, 1, 4, 2};
    if (sent->has_mss)
        at = (uint8_t *)memcpy(at, mss, sizeof(mss)) + sizeof(mss);
    if (sent->has_shift)
        at = (uint8_t *)memcpy(at, shift, sizeof(shift)) + sizeof(shift);
    if (sent->has_sack_ok)
        at = (uint8_t *)memcpy(at, sack, sizeof(sack)) + sizeof(sack);
    bool is_syn = (sent->flags & SYN) != 0;
    if (!sent->no_ts && (is_syn ? sent->has_ts : script.uses_ts)) {
        static const uint8_t head[] = {1, 1, 8, 10};
        if (sent->has_ts)
            script.ts = sent->ts;
        at = (uint8_t *)memcpy(at, head, sizeof(head)) + sizeof(head);
        at = put_be32(put_be32(at, script.ts), is_syn ? 0 : script.last_tsval);
    }
    return at;
}

static void send_segment(const struct sent *sent)
{
    uint8_t segment[SCRIPT_SEGMENT_MAX] = {0};
    uint32_t size = sent->end > sent->seq ? sent->end - sent->seq : 0;
    octets_store_be16(segment, script.port);
    octets_store_be16(segment + 2, SCRIPT_PORT);
    put_be32(segment + 4, PEER_ISS + sent->seq);
    put_be32(segment + 8, sent->has_ack ? script.iss + sent->ack : 0);
    uint8_t *end = put_options(sent, segment + 20);
    check(size < SCRIPT_SEGMENT_MAX - 100, "the segment is too large");
    segment[12] = (uint8_t)((unsigned)(end - segment) / 4 << 4);
    segment[13] = sent->flags;
    octets_store_be16(segment + 14, sent->window > 0 ? (uint16_t)sent->window : 65535);
    for (uint32_t i = 0; i < size; i++)
        *end++ = script_byte(sent->seq - 1 + i);
    script.stack->send(segment, (size_t)(end - segment));
}

/* ---- "<": what has to come ---- */

static void parse_answer_options(const uint8_t *at, const uint8_t *end, struct answer *answer)
{
    while (at < end && *at != 0) {
        if (*at == 1) {
            at++;
            continue;
        }
        check(at + 2 <= end && at[1] >= 2 && at + at[1] <= end, "options of the answer");
        answer->has_mss |= at[0] == 2;
        answer->has_shift |= at[0] == 3;
        answer->shift = at[0] == 3 ? at[2] : answer->shift;
        answer->has_sack_ok |= at[0] == 4;
        if (at[0] == 8) {
            answer->has_ts = true;
            answer->tsval = octets_load_be32(at + 2);
            answer->tsecr = octets_load_be32(at + 6);
        }
        for (unsigned i = 0; at[0] == 5 && i < (at[1] - 2u) / 8 && i < 4; i++) {
            answer->sacks[i][0] = octets_load_be32(at + 2 + 8 * i) - PEER_ISS;
            answer->sacks[i][1] = octets_load_be32(at + 6 + 8 * i) - PEER_ISS;
            answer->sack_count++;
        }
        at += at[1];
    }
}

/* False when nothing comes within the time. */
static bool receive(struct answer *answer, unsigned wait_ms)
{
    uint8_t segment[SCRIPT_SEGMENT_MAX];
    *answer = (struct answer){0};
    size_t size = script.stack->receive(segment, sizeof(segment), wait_ms);
    if (size == 0)
        return false;
    answer->flags = segment[13] & 0x3f;
    answer->seq = octets_load_be32(segment + 4);
    answer->ack = octets_load_be32(segment + 8) - PEER_ISS;
    answer->window = octets_load_be16(segment + 14);
    parse_answer_options(segment + 20, segment + (segment[12] >> 4) * 4, answer);
    if ((answer->flags & (SYN | ACK)) == (SYN | ACK) && !script.is_synced) {
        script.iss = answer->seq;
        script.is_synced = true;
        script.uses_ts = answer->has_ts;
        script.shift = answer->shift;
    }
    if ((answer->flags & SYN) == 0)
        answer->window <<= script.shift;
    if (answer->flags & ACK) {
        script.window = answer->window;
        script.acked = answer->ack;
    }
    if (answer->has_ts)
        script.last_tsval = answer->tsval;
    return true;
}

static bool are_sacks_right(const struct sent *wanted, const struct answer *answer)
{
    if (wanted->no_sacks)
        return answer->sack_count == 0;
    if (!wanted->has_sacks)
        return true;
    return answer->sack_count == wanted->sack_count &&
           memcmp(answer->sacks, wanted->sacks, wanted->sack_count * sizeof(wanted->sacks[0])) ==
               0;
}

static bool is_window_right(const struct sent *wanted, const struct answer *answer)
{
    switch (wanted->window_relation) {
    case '=': return answer->window == wanted->window;
    case '>': return answer->window > wanted->window;
    case '<': return answer->window < wanted->window;
    default: return true;
    }
}

static bool fits(const struct sent *wanted, const struct answer *answer)
{
    return answer->flags == wanted->flags &&
           (!wanted->has_ack || answer->ack == wanted->ack) &&
           (!wanted->has_seq || answer->seq == script.iss + wanted->seq) &&
           (!wanted->has_tsecr || (answer->has_ts && answer->tsecr == wanted->tsecr)) &&
           (!wanted->has_mss || answer->has_mss) && (!wanted->has_shift || answer->has_shift) &&
           (!wanted->has_sack_ok || answer->has_sack_ok) && (!wanted->no_ts || !answer->has_ts) &&
           are_sacks_right(wanted, answer) && is_window_right(wanted, answer);
}

/* Stacks may say more than they must: what does not fit is passed over, but the last of it is shown
 * when nothing fits. */
static void expect_segment(const struct sent *wanted)
{
    struct answer answer, last = {0};
    char text[160];
    unsigned seen = 0;
    while (receive(&answer, REPLY_MS)) {
        if (fits(wanted, &answer))
            return;
        last = answer;
        if (++seen > ANSWERS_MAX)
            break;
    }
    snprintf(text, sizeof(text),
             "%u other answers; the last: flags %02x ack %u window %u sacks %u [%u:%u]", seen,
             last.flags, last.ack, last.window, last.sack_count, last.sacks[0][0],
             last.sacks[0][1]);
    script_die(text);
}

static void expect_nothing(void)
{
    struct answer answer;
    char text[80];
    if (!receive(&answer, script.stack->settle_ms))
        return;
    snprintf(text, sizeof(text), "an answer came: flags %02x ack %u", answer.flags, answer.ack);
    script_die(text);
}

/* Sends in order what the window takes until it is closed. */
static void fill(void)
{
    struct answer answer;
    uint32_t place = script.acked;
    unsigned waits = 0;
    while (place < FILL_BYTES_MAX && waits < FILL_WAITS_MAX) {
        uint32_t room = script.acked + script.window - place;
        struct sent sent = {.flags = PSH | ACK, .seq = place, .ack = 1, .has_ack = true};
        sent.end = place + (room < FILL_SEGMENT ? room : FILL_SEGMENT);
        if (room > 0) {
            send_segment(&sent);
            place = sent.end;
        }
        while (receive(&answer, room > 0 ? 0 : FILL_WAIT_MS))
            ;
        if (script.window == 0)
            return;
        if (room == 0) { /* what was not taken is sent again */
            waits++;
            place = script.acked;
        }
    }
    script_die("the window does not close");
}

/* ---- running ---- */

static void handshake(void)
{
    struct sent syn = {.flags = SYN, .has_mss = true, .has_shift = true, .has_sack_ok = true,
                       .has_ts = true, .ts = 100};
    struct sent wanted = {.flags = SYN | ACK, .ack = 1, .has_ack = true};
    struct sent ack = {.flags = ACK, .seq = 1, .has_ack = true, .ack = 1};
    send_segment(&syn);
    expect_segment(&wanted);
    send_segment(&ack);
    script.acked = 1;
}

static void drain(void)
{
    struct answer answer;
    for (unsigned i = 0; i < DRAIN_MAX && receive(&answer, script.stack->settle_ms); i++)
        ;
}

static void run_word(const char *word, const char *argument)
{
    if (strcmp(word, "handshake") == 0)
        handshake();
    else if (strcmp(word, "fill") == 0)
        fill();
    else if (strcmp(word, "nothing") == 0)
        expect_nothing();
    else if (strcmp(word, "wait") == 0)
        script.stack->wait(number(argument));
    else if (strcmp(word, "read") == 0)
        script.stack->read(number(argument));
    else if (strcmp(word, "delivered") == 0)
        check(script.stack->delivered() == number(argument), "another number of bytes delivered");
    else if (strcmp(word, "eof") == 0)
        check(script.stack->end() == SCRIPT_EOF, "the application sees no end of the stream");
    else if (strcmp(word, "reset") == 0)
        check(script.stack->end() == SCRIPT_RESET, "the application sees no reset");
    else if (strcmp(word, "open") == 0)
        check(script.stack->end() == SCRIPT_OPEN, "the application sees an end");
    else if (strcmp(word, "drain") == 0)
        drain();
    else if (strcmp(word, "only") != 0 && strcmp(word, "lazy") != 0)
        script_die("a command is not known");
}

static void run_line(char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *comment = strchr(line, '#');
    if (comment != NULL)
        *comment = '\0';
    for (size_t len = strlen(line); len > 0 && line[len - 1] == ' '; len--)
        line[len - 1] = '\0';
    if (line[0] == '\0')
        return;
    if (line[0] == '>' || line[0] == '<') {
        struct sent sent = parse_segment(line + 1);
        if (line[0] == '>')
            send_segment(&sent);
        else
            expect_segment(&sent);
        return;
    }
    char *save, *word = strtok_r(line, " ", &save);
    run_word(word, strtok_r(NULL, " ", &save));
}

/* "lazy" on a line of its own: the application reads only what `read` says. "only ours": the other
 * stack is known to differ, and the script says why. */
static bool has_line(FILE *file, const char *wanted)
{
    char line[LINE_SIZE];
    size_t len = strlen(wanted);
    bool found = false;
    while (fgets(line, sizeof(line), file) != NULL)
        found |= strncmp(line, wanted, len) == 0;
    rewind(file);
    return found;
}

static bool run_file(const char *path, uint16_t port, const struct script_stack *stack)
{
    char line[LINE_SIZE];
    const char *slash = strrchr(path, '/');
    FILE *file = fopen(path, "re");
    memset(&script, 0, sizeof(script));
    script.stack = stack;
    script.file = slash != NULL ? slash + 1 : path;
    script.port = port;
    if (file == NULL) {
        printf("FAILED %s: cannot be opened\n", path);
        return false;
    }
    char other[32];
    snprintf(other, sizeof(other), "only %s", stack == &script_ours ? "kernel" : "ours");
    if (has_line(file, other)) {
        printf("other %s\n", script.file);
        fclose(file);
        return true;
    }
    bool failed = setjmp(script.failed) != 0;
    if (!failed) {
        stack->open(!has_line(file, "lazy"));
        while (fgets(line, sizeof(line), file) != NULL) {
            script.line++;
            run_line(line);
        }
    }
    stack->close();
    if (!failed)
        printf("ok %s\n", script.file);
    fclose(file);
    return !failed;
}

int main(int argc, char **argv)
{
    bool good = argc > 2;
    if (argc < 3 || (strcmp(argv[1], "ours") != 0 && strcmp(argv[1], "kernel") != 0)) {
        fprintf(stderr, "tcp_script ours|kernel FILE...\n");
        return 2;
    }
    const struct script_stack *stack =
        strcmp(argv[1], "ours") == 0 ? &script_ours : &script_kernel;
    for (int i = 2; i < argc; i++)
        good &= run_file(argv[i], (uint16_t)(PORT_FIRST + i), stack);
    return good ? 0 : 1;
}
