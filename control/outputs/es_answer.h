/* SPDX-License-Identifier: MPL-2.0
 *
 * es_answer.h - what Elasticsearch's answer to a bulk request says about each document.
 *
 * Place:   elasticsearch_output.c.
 * Threads: no state.
 * Failure: an answer that makes no sense says nothing about any document.
 * Source:  Elasticsearch's bulk API: "errors", and "items" in the order of the request.
 */
#ifndef CONTROL_OUTPUTS_ES_ANSWER_H
#define CONTROL_OUTPUTS_ES_ANSWER_H

#include <stddef.h>

enum es_outcome {
    ES_PENDING,  /* not sent yet, or to be sent again: the server had no room or no shard */
    ES_INDEXED,
    ES_REJECTED  /* it will never be taken */
};

/* Sets outcomes[0..count), which stay as they are on failure. A reason why a document is not
 * indexed, of a rejected one if there is one, goes to `reason`, "" when there is none. 0, -EBADMSG:
 * no JSON; -EPROTO: it does not belong to that request. */
int es_answer_read(const char *body, size_t size, enum es_outcome *outcomes, unsigned count,
                   char *reason, size_t reason_size);

#endif
