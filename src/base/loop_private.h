/* loop_private.h: for files of base/ that give libevent more to do than loop.h offers. */
#ifndef CORDON_BASE_LOOP_PRIVATE_H
#define CORDON_BASE_LOOP_PRIVATE_H

struct event_base;
struct loop;

/* Borrowed; lives as long as l. */
struct event_base *loop_get_event_base(struct loop *l);
/* Something of libevent's was begun that cannot be taken back at once, only told to end:
 * loop_free() gives it the turns that this takes. Each hold wants one loop_let_go(). */
void loop_hold(struct loop *l);
void loop_let_go(struct loop *l);

#endif
