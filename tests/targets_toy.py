"""A small file of targets with rows of every sort, for tests of what offices fill in."""

from pathlib import Path

from cfc_geo.targets import TargetPlan, load_targets

TOY = """\
id = "toy"
zh = "玩具区儿童友好规划"
en = "Toy district plan"
place = { zh = "玩具区", en = "Toy district" }
scope = "county"
version = "2024"
draft = true
horizon = 2025
source = { zh = "手绘", en = "drawn by hand" }
[[targets]]
id = "T-share"
zh = "婴幼儿体检率"
en = "infants examined"
rows = "T"
clause = "一"
compare = "at_least"
value = 90
unit = "%"
year = 2025
year_basis = "explicit"
offices = ["区卫健局", "区妇联"]
of = { zh = "辖区 3 岁以下婴幼儿", en = "children below 3 in the district" }
data = { zh = "妇幼统计年报", en = "yearly statistics" }
[[targets]]
id = "T-count"
zh = "儿童之家"
en = "children's homes"
rows = "T"
clause = "二"
compare = "at_least"
value = 1200
unit = "个"
every_year = true
year_basis = "explicit"
offices = ["区妇联"]
data = { zh = "台账", en = "record" }
[[targets]]
id = "T-rises"
zh = "体质达标优良率"
en = "pupils in good physical shape"
rows = "T"
clause = "三"
compare = "rises"
unit = "%"
year_basis = "none"
offices = ["区卫健局", "区教育局"]
data = { zh = "体质监测", en = "tests of pupils" }
[[targets]]
id = "T-rate"
zh = "孕产妇死亡率"
en = "maternal mortality"
rows = "T"
clause = "四"
compare = "at_most"
value = 7.3
unit = "1/10万"
year_basis = "none"
data = { zh = "统计年报", en = "yearly statistics" }
[[targets]]
id = "T-yes"
zh = "场馆对儿童免费"
en = "venues free for children"
rows = "T"
clause = "五"
compare = "yes"
unit = "-"
year_basis = "none"
offices = ["区卫健局"]
data = { zh = "场馆名录", en = "list of venues" }
[[targets]]
id = "Q-plan"
zh = "儿童影响评价制度"
en = "rules for child impact assessment"
rows = "Q"
clause = "六"
compare = "yes"
unit = "-"
year = 2025
year_basis = "horizon"
offices = ["区卫健局"]
data = { zh = "制度文件", en = "the document" }
[[targets]]
id = "S-parks"
zh = "公园数"
en = "parks"
rows = "S"
clause = "七"
compare = "at_least"
value = 3
unit = "个"
year_basis = "none"
offices = ["区卫健局"]
method = { by = "count", kinds = ["park"] }
[[targets]]
id = "T-points"
zh = "近视率年降幅"
en = "myopia, change a year"
rows = "T"
clause = "八"
compare = "at_least"
value = 0.5
unit = "百分点/年"
year_basis = "none"
offices = ["区卫健局"]
data = { zh = "监测", en = "monitoring" }
"""


def toy_targets(folder: Path, text: str = TOY, name: str = "targets.toml") -> TargetPlan:
    """The targets of `text`, read from a file of that name in `folder`."""
    (folder / name).write_text(text, encoding="utf-8")
    return load_targets(str(folder / name))
