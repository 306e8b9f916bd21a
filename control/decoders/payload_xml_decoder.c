/* SPDX-License-Identifier: MPL-2.0
 *
 * payload_xml_decoder.c - what XPath expressions find in the payload becomes timestamp, severity
 * and fields.
 *
 * Place:   hekad_decoders. The only user of libxml2.
 * Failure: a payload that is no XML is DECODE_E_MALFORMED; one with entities of its own, which may
 *          grow without end, DECODE_E_LIMIT. An expression that finds nothing leaves <Name>.
 * Source:  Heka 0.11 PayloadXmlDecoder. Names match whatever their namespace is, as there. Unlike
 *          there a payload that is no XML is an error, so that the next decoder can try.
 */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

#include "codec/message_template.h"
#include "codec/severity_map.h"
#include "codec/time_parser.h"
#include "control/decoders/decoders.h"

enum { NAME_SIZE = 128, OPERATIONS_MAX = 1000000 };

struct xml_config {
    const struct conf_node *xpath_map, *severity_map, *message_fields;
    const char *timestamp_layout, *timestamp_location;
};

#define XML(member) .key = #member, .offset = offsetof(struct xml_config, member)
static const struct schema_key keys[] = {
    {XML(xpath_map), .type = SCHEMA_NODE, .unit = "a table of texts",
     .help = "A name for each XPath expression; Timestamp and Severity set those members."},
    {XML(severity_map), .type = SCHEMA_NODE, .unit = "a table of integers",
     .help = "Severity for each text that Severity finds; other texts have to be numbers."},
    {XML(message_fields), .type = SCHEMA_NODE, .unit = "a table of texts",
     .help = "Members of the message, or fields as \"name\" or \"name|representation\", and their "
             "texts, in which %Name% stands for what the expression of that name found."},
    {XML(timestamp_layout), .type = SCHEMA_STRING, .def = "2012-04-23T18:25:43.511Z",
     .help = "How Timestamp is written, as for PayloadRegexDecoder. Common layouts are known."},
    {XML(timestamp_location), .type = SCHEMA_STRING, .def = "",
     .help = "Zone of timestamps that do not name one; empty: UTC."},
    {0},
};
static const struct schema schema = {"PayloadXmlDecoder", keys};

struct expression {
    xmlXPathCompExprPtr compiled;
    char missing[NAME_SIZE]; /* what stands for nothing: <Name> */
    xmlChar *found;          /* of the message in work; NULL: nothing */
};

struct xml_state {
    struct expression *expressions;
    const char **names; /* of them; the document's */
    uint32_t count;
    struct message_template *template;
    struct time_parser *times;
    struct severity_map severities;
    int64_t timestamp_index, severity_index; /* -1: none */
};

/* ---- starting ---- */

/* Nothing is printed: what is wrong is in the results. */
static void be_quiet(void *arg, xmlErrorPtr error)
{
    char *text = arg;
    if (text == NULL || text[0] != '\0' || error == NULL || error->message == NULL)
        return;
    snprintf(text, NAME_SIZE, "%s", error->message);
    text[strcspn(text, "\n")] = '\0';
}

static int compile(struct expression *expression, const struct conf_node *entry, struct err *err)
{
    char why[NAME_SIZE] = "";
    if (entry->type != CONF_STRING)
        return err_add(err, "PayloadXmlDecoder: xpath_map: %s is no text", entry->key);
    xmlXPathContextPtr context = xmlXPathNewContext(NULL);
    if (context == NULL)
        return err_add(err, "out of memory");
    context->error = be_quiet;
    context->userData = why;
    expression->compiled = xmlXPathCtxtCompile(context, (const xmlChar *)entry->str);
    xmlXPathFreeContext(context);
    snprintf(expression->missing, sizeof(expression->missing), "<%s>", entry->key);
    if (expression->compiled == NULL)
        return err_add(err, "PayloadXmlDecoder: xpath_map: %s: '%s' is no XPath expression: %s",
                       entry->key, entry->str, why);
    return 0;
}

static int compile_all(struct xml_state *xml, const struct conf_node *table, struct err *err)
{
    int rc = 0;
    if (table == NULL)
        return 0;
    if (table->type != CONF_TABLE || table->count > CAPTURES_MAX)
        return err_add(err, "PayloadXmlDecoder: xpath_map: allowed is a table of 1 to %d texts",
                       CAPTURES_MAX);
    xml->expressions = calloc(table->count + 1, sizeof(*xml->expressions));
    xml->names = calloc(table->count + 1, sizeof(*xml->names));
    if (xml->expressions == NULL || xml->names == NULL)
        return err_add(err, "out of memory");
    for (const struct conf_node *entry = table->first; entry != NULL; entry = entry->next) {
        xml->names[xml->count] = entry->key;
        rc |= compile(&xml->expressions[xml->count++], entry, err);
    }
    return rc;
}

static int64_t index_of(const struct xml_state *xml, const char *name)
{
    for (uint32_t i = 0; i < xml->count; i++)
        if (strcmp(xml->names[i], name) == 0)
            return i;
    return -1;
}

static int init(void *state, const void *config, const struct decoder_host *host, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const struct xml_config *options = config;
    struct xml_state *xml = state;
    (void)host;
    pthread_once(&once, xmlInitParser);
    int rc = compile_all(xml, options->xpath_map, err);
    xml->timestamp_index = index_of(xml, "Timestamp");
    xml->severity_index = index_of(xml, "Severity");
    rc |= time_parser_new(options->timestamp_layout, options->timestamp_location, &xml->times, err);
    rc |= severity_map_init(&xml->severities, options->severity_map, err);
    const struct capture_names names = {xml->names, xml->count};
    rc |= message_template_new(options->message_fields, &names,
                               xml->severity_index >= 0 ? "Severity" : NULL, &xml->template, err);
    return rc;
}

static void fini(void *state)
{
    struct xml_state *xml = state;
    for (uint32_t i = 0; i < xml->count; i++)
        xmlXPathFreeCompExpr(xml->expressions[i].compiled);
    free(xml->expressions);
    free(xml->names);
    message_template_free(xml->template);
    time_parser_free(xml->times);
    severity_map_fini(&xml->severities);
    *xml = (struct xml_state){0};
}

/* ---- finding ---- */

/* The next node in the order of the text. */
static xmlNodePtr next_node(xmlNodePtr node)
{
    if (node->type == XML_ELEMENT_NODE && node->children != NULL)
        return node->children;
    while (node != NULL && node->next == NULL)
        node = node->parent;
    return node != NULL && node->type != XML_DOCUMENT_NODE ? node->next : NULL;
}

static void forget_namespaces(xmlDocPtr document)
{
    for (xmlNodePtr node = xmlDocGetRootElement(document); node != NULL; node = next_node(node)) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        node->ns = NULL;
        for (xmlAttrPtr attribute = node->properties; attribute != NULL;
             attribute = attribute->next)
            attribute->ns = NULL;
    }
}

static xmlChar *text_of(xmlXPathObjectPtr result)
{
    if (result->type != XPATH_NODESET)
        return xmlXPathCastToString(result);
    if (result->nodesetval == NULL || result->nodesetval->nodeNr == 0)
        return NULL;
    xmlXPathNodeSetSort(result->nodesetval);
    return xmlXPathCastNodeToString(result->nodesetval->nodeTab[0]);
}

static int find_all(struct xml_state *xml, xmlDocPtr document)
{
    xmlXPathContextPtr context = xmlXPathNewContext(document);
    if (context == NULL)
        return DECODE_E_LIMIT;
    context->error = be_quiet;
    context->opLimit = OPERATIONS_MAX;
    for (uint32_t i = 0; i < xml->count; i++) {
        context->node = (xmlNodePtr)document;
        xmlXPathObjectPtr result = xmlXPathCompiledEval(xml->expressions[i].compiled, context);
        if (result != NULL)
            xml->expressions[i].found = text_of(result);
        xmlXPathFreeObject(result);
    }
    bool is_beyond = context->opCount >= OPERATIONS_MAX;
    xmlXPathFreeContext(context);
    return is_beyond ? DECODE_E_LIMIT : 0;
}

static void forget_found(struct xml_state *xml)
{
    for (uint32_t i = 0; i < xml->count; i++) {
        xmlFree(xml->expressions[i].found);
        xml->expressions[i].found = NULL;
    }
}

static int fail(struct decode_io *io, int code, const char *text, const char *more)
{
    if (io->reason != NULL)
        (void)buffer_printf(io->reason, "%s%s", text, more);
    return code;
}

static int read_payload(struct xml_state *xml, struct msg_slice payload, struct decode_io *io)
{
    char why[NAME_SIZE] = "";
    xmlParserCtxtPtr parser = xmlNewParserCtxt();
    if (parser == NULL || payload.len > INT_MAX) {
        xmlFreeParserCtxt(parser);
        return fail(io, DECODE_E_LIMIT, "out of memory", "");
    }
    xmlDocPtr document =
        payload.len == 0
            ? NULL
            : xmlCtxtReadMemory(parser, payload.ptr, (int)payload.len, NULL, NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    be_quiet(why, &parser->lastError);
    xmlFreeParserCtxt(parser);
    if (document == NULL)
        return fail(io, DECODE_E_MALFORMED, "The payload is no XML: ", why);
    int rc = 0;
    if (document->intSubset != NULL && document->intSubset->entities != NULL)
        rc = fail(io, DECODE_E_LIMIT, "The payload has entities of its own", "");
    if (rc == 0) {
        forget_namespaces(document);
        rc = find_all(xml, document);
        if (rc != 0)
            fail(io, rc, "The expressions take too long", "");
    }
    xmlFreeDoc(document);
    return rc;
}

/* ---- decoding ---- */

static struct msg_slice found_text(const struct expression *expression)
{
    const char *text =
        expression->found != NULL ? (const char *)expression->found : expression->missing;
    return (struct msg_slice){text, (uint32_t)strlen(text)};
}

static void read_timestamp(const struct xml_state *xml, struct decode_io *io,
                           struct message_changes *changes)
{
    if (xml->timestamp_index < 0 || xml->expressions[xml->timestamp_index].found == NULL)
        return;
    struct msg_slice text = found_text(&xml->expressions[xml->timestamp_index]);
    if (time_parser_parse(xml->times, text.ptr, text.len, io->now_ns, &changes->timestamp_ns) < 0)
        decode_io_note(io, DECODE_NOTE_TIMESTAMP, "Timestamp", text);
}

static void read_severity(const struct xml_state *xml, struct decode_io *io,
                          struct message_changes *changes)
{
    if (xml->severity_index < 0 || xml->expressions[xml->severity_index].found == NULL)
        return;
    struct msg_slice text = found_text(&xml->expressions[xml->severity_index]);
    changes->has_severity = severity_map_find(&xml->severities, text, &changes->severity);
    if (!changes->has_severity)
        decode_io_note(io, DECODE_NOTE_SEVERITY, "severity", text);
}

static int write_message(const struct xml_state *xml, const struct msg_view *message,
                         struct decode_io *io)
{
    struct msg_slice values[CAPTURES_MAX];
    struct message_changes changes = {.timestamp_ns = message->timestamp_ns};
    struct msg_builder builder;
    size_t capacity = 0;
    uint8_t *room = io->begin(io->context, &capacity);
    if (room == NULL)
        return DECODE_E_ROOM;
    for (uint32_t i = 0; i < xml->count; i++)
        values[i] = found_text(&xml->expressions[i]);
    read_timestamp(xml, io, &changes);
    read_severity(xml, io, &changes);
    msg_builder_init(&builder, room, capacity);
    int rc = message_template_write(xml->template, message, values, &changes, &builder, io->reason);
    if (rc == 0)
        io->commit(io->context, builder.size);
    return rc;
}

static int decode(void *state, const void *config, const struct msg_view *message,
                  struct decode_io *io)
{
    struct xml_state *xml = state;
    (void)config;
    int rc = read_payload(xml, message->payload, io);
    if (rc == 0)
        rc = write_message(xml, message, io);
    forget_found(xml);
    return rc;
}

const struct decoder_ops payload_xml_decoder = {
    .plugin = {PLUGIN_ABI, "PayloadXmlDecoder", &schema, sizeof(struct xml_config),
               sizeof(struct xml_state)},
    .init = init,
    .decode = decode,
    .fini = fini,
    .runs_in_hekad = true,
};
