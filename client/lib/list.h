/* list.h - intrusive doubly linked list. A node is in at most one list; an unlinked node points at
 * itself. */
#ifndef GRIDCLIENT_LIST_H
#define GRIDCLIENT_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev;
    struct list *next;
};

#define list_entry(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define list_for_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_push_back(struct list *head, struct list *n)
{
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}

/* Also fine for a node that is in no list. */
static inline void list_remove(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}

/* The first node, removed, or NULL. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *n = head->next;
    if (n == head)
        return NULL;
    list_remove(n);
    return n;
}

/* All of `from` to the front of `head`, in its order; `from` is empty then. */
static inline void list_splice_front(struct list *head, struct list *from)
{
    if (list_empty(from))
        return;
    from->prev->next = head->next;
    head->next->prev = from->prev;
    head->next = from->next;
    from->next->prev = head;
    list_init(from);
}

#endif
