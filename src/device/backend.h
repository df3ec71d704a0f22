/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * backend.h - the handlers of vhost-user messages that are about queues
 *
 * backend.c has the table of all messages and calls these through it: 0, or
 * -EPROTO for a lie of the front-end's, or any other error for "no".
 */
#ifndef DEVICE_BACKEND_H
#define DEVICE_BACKEND_H

#include "device/runtime.h"

int backend_set_mem_table(struct rf_device *dev, struct rf_vhost_user_msg *msg);
int backend_queue_set_num(struct rf_device *dev, struct rf_vhost_user_msg *msg);
int backend_queue_set_addr(struct rf_device *dev,
			   struct rf_vhost_user_msg *msg);
int backend_queue_set_base(struct rf_device *dev,
			   struct rf_vhost_user_msg *msg);
int backend_queue_get_base(struct rf_device *dev,
			   struct rf_vhost_user_msg *msg);
int backend_queue_set_enable(struct rf_device *dev,
			     struct rf_vhost_user_msg *msg);
int backend_queue_set_kick(struct rf_device *dev,
			   struct rf_vhost_user_msg *msg);
int backend_queue_set_call(struct rf_device *dev,
			   struct rf_vhost_user_msg *msg);
int backend_queue_set_err(struct rf_device *dev, struct rf_vhost_user_msg *msg);

#endif
