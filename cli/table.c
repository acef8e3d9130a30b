/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <inttypes.h>

#include "reflect.h"
#include "text.h"

static void show(enum show how, struct cell *cell)
{
	char buffer[TEXT_NUMBER_MAX];

	if (cell->kind != CELL_NUMBER || cell->text)
		return;
	switch (how) {
	case SHOW_HEX:
		cell_shown(cell, "0x%" PRIx64, cell->number);
		break;
	case SHOW_SIZE:
		cell_shown(cell, "%s", text_size(cell->number, buffer));
		break;
	case SHOW_AGE:
		cell_shown(cell, "%s", text_age(cell->number, buffer));
		break;
	case SHOW_DIGITS:
		break;
	}
}

void table_cell(const struct column *column, const void *row, struct cell *ret)
{
	*ret = (struct cell){.kind = CELL_NULL};
	if (column->get)
		column->get(row, ret);
	else
		reflect_field(row, column->field ? column->field : column->name, ret);
	if (ret->kind != column->type)
		cell_clear(ret);
	show(column->show, ret);
}
