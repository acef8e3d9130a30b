/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A split vring as the data thread sees it.
 *
 * Theory of operation. The control thread fills in everything while the vring is not granted and
 * stores `my_grant` last; from then until the primary's revocation the structure belongs to the
 * one data thread that runs bursts on it, and `hf_burst_enter` is the door: who is inside may
 * touch the ring and guest memory, who is not may not. After a revocation the primary has seen
 * `busy` clear, so the control thread may fill in anew without a lock.
 *
 * Everything read from the ring or from guest memory is hostile: it is read once into a local,
 * checked there, and only the local is used. Every chain is completed in the order it was made
 * available, within the burst that fetched it, so one index, `next`, is both the next available
 * and the next used one, and used->idx in guest memory always tells how far we got: that is what
 * recovery after a crash relies on (docs/architecture.md).
 */
#ifndef SECONDARY_VRING_H
#define SECONDARY_VRING_H

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "check.h"
#include "guestmap.h"
#include "lane.h"

#define HF_FEATURE(bit)	   (1ull << (bit))
#define HF_F_EVENT_IDX	   29
#define HF_F_INDIRECT_DESC 28
#define HF_F_VERSION_1	   32
#define HF_F_RING_PACKED   34
#define HF_VRING_MAX_SIZE  32768u
#define HF_NET_HEADER_MAX  12u
#define HF_VRING_WRITERS   32u
/*
 * A guest can make every chain as long as the ring, and most of them bad, so a burst is bounded by
 * descriptors as well as by packets: no chain is begun when the budget is spent. Without it one
 * burst on a large ring could take seconds, and its owner be fenced for it.
 */
#define HF_BURST_BUDGET 8192

/* What hf_vring_setup needs; values from a grant, not yet trusted. */
struct hf_vring_setup {
	uint64_t grant;		    /* ours, enabled bit clear; 0: prepared only */
	const uint64_t *grant_word; /* in the directory */
	struct hf_lane_vring *lane;
	const struct hf_guestmap *map;
	uint64_t features;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint16_t size;
	uint16_t next;	    /* as in the lane: split: index; packed: place and wrap counter */
	uint16_t leftovers; /* packed: see hf_packed_repair */
	bool fence;	    /* no membarrier: bursts fence themselves */
};

/*
 * What others ask of the data thread. The first two are done once (hf_vring_do_asked); the last two
 * hold until it is otherwise, and are of the device: so a burst need not look at that.
 */
enum {
	HF_ASKED_CALL = 1u << 0,  /* control thread: the call descriptor changed, call once */
	HF_ASKED_BREAK = 1u << 1, /* any thread that met it: the guest's memory is gone */
	HF_ASKED_STAY = 1u << 2,  /* control thread: no bursts, the device is not RUNNING */
	HF_ASKED_RARP = 1u << 3,  /* any thread: hf_device.rarp may have an announcement */
	HF_ASKED_LASTING = HF_ASKED_STAY | HF_ASKED_RARP,
};

struct hf_packed_slot;
struct hf_packed_used;
struct hf_run_ops;

/*
 * Lines 0 and 1 are what a burst of simple chains touches, line 0 all that an empty one does. "C"
 * is written by the control thread at setup, and read by every burst; "D" is the data thread's,
 * between hf_burst_enter and hf_burst_leave.
 */
struct hf_vring {
	/* ---- line 0 */
	uint64_t my_grant;	    /* C: 0: not granted; stored last, released */
	const uint64_t *grant_word; /* C */
	struct hf_lane_vring *lane; /* C */
	struct vring_avail *avail;  /* C */
	/* C: a packed ring has these instead of desc, avail and used; see packed.h. */
	struct hf_packed_slot *slots;
	uint16_t next;	     /* D: next available and used index; packed: place | wrap << 15 */
	uint16_t avail_seen; /* D: avail->idx as last read, checked */
	uint16_t size;	     /* C */
	uint16_t mask;	     /* C */
	/* Any of these makes a burst more than it mostly is: one look says that there is none. */
	union {
		struct {
			bool fresh; /* D: first burst since the grant */
			bool broken;
			bool call_due; /* D: decided in the burst, written after it */
			bool err_due;
			uint32_t asked; /* any thread: HF_ASKED_…, for the next burst */
		};
		uint64_t attention;
	};
	int32_t budget;	      /* D: descriptors this burst may still look at; see HF_BURST_BUDGET */
	bool packed;	      /* C */
	uint8_t mind;	      /* C: HF_ENTER_…; D while it holds the vring open */
	bool event_idx;	      /* C */
	uint8_t header_bytes; /* C: of struct virtio_net_hdr as negotiated */

	/* ---- line 1 */
	struct vring_desc *desc;      /* C */
	struct vring_used *used;      /* C */
	const struct hf_run_ops *run; /* C: the level of instructions */
	uint64_t hot_gpa;	      /* D: region of the last translation */
	uint64_t hot_size;
	uint8_t *hot_address;
	const uint32_t *driver_event; /* C: of a packed ring */
	uint16_t moved;	    /* D: packed: descriptors published in this burst, at most a ring's */
	uint16_t cut;	    /* D: enqueue: frames of software segmentation, not told of yet */
	uint16_t gave_back; /* D: enqueue: places up to here went back empty, for a bad chain */
	bool kicks_on;	    /* D: we asked the guest to kick */
	bool mergeable;	    /* C */

	/* ---- what follows is not of every burst */
	uint64_t features;	       /* C */
	const struct hf_guestmap *map; /* C */
	uint8_t *scratch;	       /* D: HF_SCRATCH_BYTES for software offloads, or NULL */
	uint32_t *device_event;	       /* C: of a packed ring */
	struct hf_packed_used *shadow; /* D: of shadow_size + 1 entries */
	uint32_t shadow_size;
	uint16_t leftovers; /* D: packed: see hf_packed_repair */
	bool indirect;	    /* C */
	bool has_call;	    /* control thread writes, data thread reads; see call_fd */
	bool has_err;
	/* Numbers that stay ours from the first grant to the end of the device: a new descriptor is
	 * dup'ed over them, so a burst never writes into a stranger's file. */
	int call_fd;
	int err_fd;
	/* Any data thread, atomically: calls of a hop are written by whoever hopped (hop.h). */
	uint32_t write_errors;		 /* not counted yet */
	uint32_t writes;		 /* one more before each write; see notify.c */
	uint32_t writes_done;		 /* … and after it */
	pid_t writers[HF_VRING_WRITERS]; /* threads that are in one, in any order */

	/* The control thread's. */
	int kick_fd;
	bool set_up; /* everything but the grant is there, and of the device's present map */
	bool granted;
	bool enabled;
	uint32_t lane_entry;
	bool silenced; /* a write hung: the guest is not called any more */
	int kept_fd;   /* a descriptor that was replaced, while a write may hang in it */
} __attribute__((aligned(HF_SHM_LINE)));

static_assert(offsetof(struct hf_vring, desc) == HF_SHM_LINE, "lines of a burst");
static_assert(offsetof(struct hf_vring, features) == 2 * HF_SHM_LINE, "lines of a burst");

/*
 * Check the setup against the map and make the vring ready for bursts. 0; -EINVAL: size is not a
 * power of two (packed: any number) up to 32768, or a ring does not lie whole in one region;
 * -ENOMEM. Control thread, while the vring is not granted.
 */
int hf_vring_setup(struct hf_vring *vring, const struct hf_vring_setup *setup);
/* Run the ring as it was set up, from `next` on. Control thread, while it is not granted. */
void hf_vring_grant(struct hf_vring *vring, uint64_t grant, uint16_t next, uint16_t leftovers);
/* Fault in the ring's pages, so that the first burst does not have to. Only reads: it may be
 * another's just now. */
void hf_vring_prefault(const struct hf_vring *vring);
void hf_vring_init(struct hf_vring *vring);
/* Close descriptors, free scratch. No burst can be inside. */
void hf_vring_destroy(struct hf_vring *vring);

/*
 * Stop using the ring until it is set up again: the guest broke a rule after which no index can
 * be trusted. `reason` is a HF_COUNTER_BREAK_…. Data thread, inside a burst.
 */
void hf_vring_break(struct hf_vring *vring, enum hf_counter reason);
/* Do what was asked to be done once. Data thread, inside a burst. */
void hf_vring_do_asked(struct hf_vring *vring);

static inline void hf_count_in(struct hf_lane_vring *lane, enum hf_counter counter, uint64_t n)
{
	uint64_t *word = &lane->counters[counter];

	/* One writer: no read-modify-write instruction is needed for readers to see whole words. */
	hf_write_once(word, *word + n);
}

static inline void hf_count(struct hf_vring *v, enum hf_counter counter, uint64_t n)
{
	hf_count_in(v->lane, counter, n);
}

/* Region lookup, out of line; remembers what it found. */
uint8_t *hf_vring_translate_slow(struct hf_vring *vring, uint64_t gpa, uint64_t *len);

/*
 * Address of `gpa`; *len (in: wanted, at least 1) is cut to what follows in one piece. NULL when
 * unmapped. The end is checked with the start.
 */
static inline uint8_t *hf_vring_piece(struct hf_vring *v, uint64_t gpa, uint64_t *len)
{
	uint64_t offset = gpa - v->hot_gpa;

	if (likely(offset < v->hot_size && *len <= v->hot_size - offset))
		return v->hot_address + offset;
	return hf_vring_translate_slow(v, gpa, len);
}

/* Address of [gpa, gpa + len) in one piece, or NULL. len > 0. */
static inline uint8_t *hf_vring_whole(struct hf_vring *v, uint64_t gpa, uint64_t len)
{
	uint64_t piece = len;
	uint8_t *address = hf_vring_piece(v, gpa, &piece);

	return piece == len ? address : NULL;
}

/*
 * Chains available now, at most `want`; 0 when none or when the guest broke the ring.
 * The acquire of avail->idx pairs with the driver's barrier before its store: without it we could
 * read ring entries and descriptors that the driver had not written yet.
 */
static inline uint16_t hf_vring_available(struct hf_vring *v, uint16_t want)
{
	uint16_t known = (uint16_t)(v->avail_seen - v->next), ready;
	uint16_t seen;

	if (known >= want)
		return want;
	seen = hf_load_acquire(&v->avail->idx);
	ready = (uint16_t)(seen - v->next);
	/* It only grows, and never by more than the ring has: what was taken back may have been
	 * used in this very burst. */
	if (unlikely(ready > v->size || ready < known)) {
		hf_vring_break(v, HF_COUNTER_BREAK_AVAIL_IDX);
		return 0;
	}
	v->avail_seen = seen;
	return ready < want ? ready : want;
}

/* Head of the chain `ahead` places behind `next`; false: out of range, the ring is broken. */
static inline bool hf_vring_head(struct hf_vring *v, uint16_t ahead, uint16_t *ret_head)
{
	*ret_head = hf_read_once(&v->avail->ring[(uint16_t)(v->next + ahead) & v->mask]);
	if (likely(*ret_head < v->size))
		return true;
	hf_vring_break(v, HF_COUNTER_BREAK_BAD_HEAD);
	return false;
}

/* Fill the used entry `ahead` places behind `next`; invisible to the guest until published. */
static inline void hf_vring_use(struct hf_vring *v, uint16_t ahead, uint16_t head, uint32_t len)
{
	struct vring_used_elem *e = &v->used->ring[(uint16_t)(v->next + ahead) & v->mask];

	hf_write_once(&e->id, head);
	hf_write_once(&e->len, len);
}

/*
 * Publish `n` used entries and move on. The lane says what is about to happen before it happens:
 * if we die in between, the primary finds used->idx either at the old or at the new place and the
 * intent tells that both are ours (recover.c). The release of used->idx pairs with the driver's
 * barrier after it reads idx: without it the guest could see entries or payload not yet written.
 */
static inline void hf_vring_publish(struct hf_vring *v, uint16_t n, uint16_t intent)
{
	struct hf_lane_vring *lane = v->lane;
	uint16_t to = (uint16_t)(v->next + n);

	hf_write_once(&lane->intent_count, n);
	hf_store_release(&lane->intent, intent);
	hf_store_release(&v->used->idx, to);
	v->next = to;
	hf_write_once(&lane->avail, to);
	hf_store_release(&lane->used, to);
	hf_store_release(&lane->intent, (uint16_t)HF_INTENT_NONE);
}

#endif
