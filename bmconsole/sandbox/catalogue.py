"""Devices that a refurbisher sells: models, variants, titles, grades and what they cost about."""

from dataclasses import dataclass

# Model, code in SKUs, brand, EUR for the smallest storage, storages in GB, colours.
_PHONES: list[tuple[str, str, str, int, tuple[int, ...], tuple[str, ...]]] = [
    ("iPhone 11", "IP11", "Apple", 219, (64, 128, 256), ("Black", "White", "Green", "Purple", "Red")),
    ("iPhone 12", "IP12", "Apple", 269, (64, 128, 256), ("Black", "White", "Blue", "Green", "Red")),
    ("iPhone 12 mini", "IP12M", "Apple", 239, (64, 128, 256), ("Black", "White", "Blue", "Purple")),
    ("iPhone 12 Pro", "IP12P", "Apple", 349, (128, 256, 512), ("Graphite", "Silver", "Gold", "Pacific Blue")),
    ("iPhone 13", "IP13", "Apple", 379, (128, 256, 512), ("Midnight", "Starlight", "Blue", "Pink", "Green")),
    ("iPhone 13 mini", "IP13M", "Apple", 329, (128, 256), ("Midnight", "Starlight", "Blue", "Pink")),
    ("iPhone 13 Pro", "IP13P", "Apple", 489, (128, 256, 512, 1000), ("Graphite", "Silver", "Sierra Blue", "Gold")),
    ("iPhone 13 Pro Max", "IP13PM", "Apple", 569, (128, 256, 512), ("Graphite", "Silver", "Alpine Green")),
    ("iPhone 14", "IP14", "Apple", 459, (128, 256, 512), ("Midnight", "Starlight", "Blue", "Purple", "Yellow")),
    ("iPhone 14 Pro", "IP14P", "Apple", 639, (128, 256, 512), ("Space Black", "Silver", "Gold", "Deep Purple")),
    ("iPhone 15", "IP15", "Apple", 589, (128, 256, 512), ("Black", "Blue", "Green", "Yellow", "Pink")),
    ("iPhone 15 Pro", "IP15P", "Apple", 789, (128, 256, 512), ("Natural Titanium", "Blue Titanium", "Black Titanium")),
    ("iPhone SE (2022)", "IPSE3", "Apple", 189, (64, 128, 256), ("Midnight", "Starlight", "Red")),
    ("Galaxy S21 5G", "S21", "Samsung", 199, (128, 256), ("Gray", "White", "Purple", "Pink")),
    ("Galaxy S22 5G", "S22", "Samsung", 259, (128, 256), ("Black", "White", "Green", "Pink Gold")),
    ("Galaxy S22 Ultra 5G", "S22U", "Samsung", 419, (128, 256, 512), ("Black", "White", "Burgundy", "Green")),
    ("Galaxy S23", "S23", "Samsung", 389, (128, 256), ("Black", "Cream", "Green", "Lavender")),
    ("Galaxy A54", "A54", "Samsung", 179, (128, 256), ("Black", "White", "Lime", "Violet")),
    ("Galaxy Z Flip4", "ZF4", "Samsung", 329, (128, 256, 512), ("Graphite", "Purple", "Gold", "Blue")),
    ("Google Pixel 7", "PX7", "Google", 239, (128, 256), ("Black", "White", "Lemongrass")),
    ("Google Pixel 8", "PX8", "Google", 399, (128, 256), ("Black", "Gray", "Pink")),
    ("Xiaomi 12T", "XM12T", "Xiaomi", 219, (128, 256), ("Black", "Silver", "Blue")),
    ("Fairphone 4", "FP4", "Fairphone", 289, (128, 256), ("Gray", "Green")),
]
# Title with a place for the storage, code, brand, EUR, storages, colours or keyboards.
_OTHERS: list[tuple[str, str, str, int, tuple[int, ...], tuple[str, ...]]] = [
    ("iPad (2021) 9th gen {}GB - WiFi", "IPD9", "Apple", 259, (64, 256), ("Space Gray", "Silver")),
    ("iPad Air (2022) 5th gen {}GB - WiFi + 5G", "IPA5", "Apple", 479, (64, 256), ("Space Gray", "Blue", "Pink")),
    (
        "MacBook Air 13-inch (2020) - Apple M1 8-core and 7-core GPU - 8GB RAM - SSD {}GB",
        "MBA13M1", "Apple", 579, (256, 512), ("QWERTY - English", "AZERTY - French", "QWERTZ - German"),
    ),
    (
        "MacBook Pro 14-inch (2021) - Apple M1 Pro 8-core and 14-core GPU - 16GB RAM - SSD {}GB",
        "MBP14M1", "Apple", 1149, (512, 1000), ("QWERTY - English", "AZERTY - French", "QWERTZ - German"),
    ),
    ("Lenovo ThinkPad T14 14-inch Core i5 - SSD {}GB - 16GB", "T14", "Lenovo", 329, (256, 512), ("QWERTZ - German",)),
    ("PlayStation 5 {}GB", "PS5", "Sony", 389, (825, 1000), ("White",)),
    ("Nintendo Switch OLED {}GB", "NSW", "Nintendo", 249, (64,), ("White", "Blue/Red")),
    ("Apple Watch (Series 8) 2022 GPS 45 mm - Aluminium - {}GB", "AW8", "Apple", 229, (32,), ("Midnight", "Starlight")),
    ("Dyson V11 Absolute - bagless vacuum cleaner ({} V)", "V11", "Dyson", 279, (25,), ("Purple", "Blue")),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Variant:
    """One product of the catalogue: a model in one storage and colour."""

    number: int
    brand: str
    title: str
    code: str
    euros: int


def _variants() -> list[Variant]:
    found: list[Variant] = []
    for model, code, brand, euros, storages, colours in [*_PHONES, *_OTHERS]:
        for step, storage in enumerate(storages):
            for colour in colours:
                size = "1TB" if storage == 1000 and "{}" not in model else f"{storage}GB"
                title = (
                    f"{model.format(storage)} - {colour}" if "{}" in model else f"{model} {size} - {colour} - Unlocked"
                )
                short = "".join(word[:3] for word in colour.replace("/", " ").split()).upper().replace("-", "")
                found.append(
                    Variant(
                        number=len(found),
                        brand=brand,
                        title=title[:108],
                        code=f"{code}-{storage}-{short}",
                        euros=round(euros * (1 + 0.12 * step)),
                    )
                )
    return found


VARIANTS = _variants()


@dataclass(frozen=True, slots=True)
class Grade:
    """A cosmetic grade in the three ways the API writes it, its share of the listings and of the price."""

    name: str
    state: int
    condition: int
    short: str
    share: int
    price: float


GRADES = [
    Grade("VERY_GOOD", 1, 11, "VG", 35, 1.0),
    Grade("GOOD", 2, 11, "G", 28, 0.93),
    Grade("EXCELLENT", 0, 10, "EX", 25, 1.09),
    Grade("FAIR", 3, 12, "F", 8, 0.86),
    Grade("PREMIUM", 9, 9, "PR", 3, 1.18),
    Grade("STALLONE", 4, 12, "ST", 1, 0.75),
]
GRADES_BY_SHARE = [grade for grade in GRADES for _ in range(grade.share)]
