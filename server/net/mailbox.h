/* mailbox.h - messages between threads: any number of senders, one receiver, in order of sending
 * per sender. Lock-free: a post is one compare-and-swap; the receiver is woken by a system call
 * only when it sleeps. Messages are intrusive: embed struct mail, find the message with
 * container_of. A posted message belongs to the receiver. */
#ifndef GRIDD_NET_MAILBOX_H
#define GRIDD_NET_MAILBOX_H

#include "base/err.h"

struct mail {
    struct mail *next;
};

struct mailbox; /* opaque */

/* NULL: the system has no descriptor left, errno says so. */
struct mailbox *mailbox_new(void);
/* NULL is fine. Messages still inside are not freed: drain with mailbox_take() first. No sender may
 * be left. */
void mailbox_free(struct mailbox *b);

/* Any thread. */
void mailbox_post(struct mailbox *b, struct mail *m);
/* Any thread: end the receiver's sleep, or prevent its next one, without a message. */
void mailbox_wake(struct mailbox *b);

/* The rest is for the receiving thread. */

/* All messages so far, oldest first, linked by `next`; NULL when there are none. Never blocks. */
struct mail *mailbox_take(struct mailbox *b);
/* As mailbox_take, but sleeps until a message or a wake comes, or `timeout_ms` has passed
 * (negative: for ever). NULL: time is up, or a wake, which may be a late one of an earlier message.
 * For threads without a loop. */
struct mail *mailbox_wait(struct mailbox *b, int timeout_ms);

/* For an event loop. mailbox_sleep: senders shall signal mailbox_fd() from now on; false: there is
 * something to take already, do not block. The descriptor is to be watched edge-triggered and never
 * read. mailbox_awake: no longer blocked, senders may save the call. */
bool mailbox_sleep(struct mailbox *b);
void mailbox_awake(struct mailbox *b);
int mailbox_fd(const struct mailbox *b);

#endif
