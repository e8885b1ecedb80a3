/* A stand-in, not Zephyr: every node is called as its property in /chosen. */
#ifndef STANDIN_DEVICETREE_H
#define STANDIN_DEVICETREE_H

#define DT_CHOSEN(property) property

#endif
