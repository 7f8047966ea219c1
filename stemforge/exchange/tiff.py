"""32-bit TIFF beside CSV: what ImageJ, spreadsheets and stemforge read."""

import json

from stemforge.exchange.exported import Exported, Writer


class TiffWriter(Writer):
    """NAME.tif, 32 bit with pixel size, and NAME.csv, objects in the columns of ``stemforge infer``."""

    def add(self, item: Exported) -> None:
        """Write one image and its table."""
        self.write_image(item, json.dumps(dict(item.facts), ensure_ascii=True))
        self.write_table(item)
