/* status.h - what a wire status means to the client. The list is proto/status.def. */
#ifndef GRIDCLIENT_STATUS_H
#define GRIDCLIENT_STATUS_H

#include "grid.h"

/* The request was not done and may be sent again as it is. */
bool gc_status_retryable(enum grid_err status);
/* The server may say so without having looked whether it did the request before (R13). When an
 * earlier sending of a write had no answer, such a status tells nothing about it. */
bool gc_status_says_nothing_of_before(enum grid_err status);

#endif
