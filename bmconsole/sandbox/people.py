"""Invented buyers. Nobody lives there: mails end in `.example`, phones use numbers kept for fiction."""

from .draw import Draw
from .markets import MARKETS

# For each language: first names, last names, streets, (postcode, city), dialling code with a fictional prefix.
_PEOPLE: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[tuple[str, str], ...], str]] = {
    "fr": (
        ("Élodie", "Gaël", "Noémie", "François", "Chloé", "Théo", "Anaïs", "Loïc", "Maëlys", "Jean-Baptiste"),
        (
            "Lefèvre",
            "Béranger",
            "Dubois",
            "Le Goff",
            "Gauthier",
            "Nuñez",
            "D'Hérouville",
            "Château",
            "Moreau",
            "Nguyễn",
        ),
        ("rue des Églantines", "avenue de l'Opéra-Bouffe", "impasse du Chêne", "boulevard Saint-Môr"),
        (("75003", "Paris"), ("69007", "Lyon"), ("44000", "Nantes"), ("67000", "Strasbourg"), ("1050", "Ixelles")),
        "+336399800",
    ),
    "de": (
        ("Jürgen", "Anneliese", "Björn", "Käthe", "Lukas", "Mira", "Sören", "Zoë"),
        ("Müller", "Groß", "Schäfer", "Özdemir", "Weiß", "Krüger", "von der Höhe", "Bäumler"),
        ("Straße der Lüfte", "Birkenweg", "Königsallee", "Am Mühlbach"),
        (
            ("10115", "Berlin"),
            ("80331", "München"),
            ("50667", "Köln"),
            ("1010", "Wien"),
            ("79098", "Freiburg"),
        ),
        "+491764069",
    ),
    "es": (
        ("Íñigo", "María José", "Begoña", "Andrés", "Lucía"),
        ("Ibáñez", "Peña", "Muñoz", "García", "Ordóñez"),
        ("Calle del Olmo", "Avinguda de l'Ametller", "Paseo de la Ría"),
        (("28012", "Madrid"), ("08003", "Barcelona"), ("48001", "Bilbao"), ("11001", "Cádiz")),
        "+346000000",
    ),
    "it": (
        ("Niccolò", "Giulia", "Desirée", "Matteo"),
        ("D'Amico", "Rossi", "Lo Piccolò", "Ferrè"),
        ("Via dei Tigli", "Piazza Libertà", "Corso Perù"),
        (("00184", "Roma"), ("20121", "Milano"), ("80133", "Napoli"), ("10121", "Forlì")),
        "+393330000",
    ),
    "en": (
        ("Siân", "Oliver", "Aoife", "Niamh", "George", "Zoë", "Conor"),
        ("O'Brien", "Featherstone", "Smyth", "MacÉil", "Cholmondeley", "Patel"),
        ("Lavender Row", "High Street", "St. Anselm's Close"),
        (("SW1A 9ZZ", "London"), ("M1 9ZZ", "Manchester"), ("D02 ZZ99", "Dublin"), ("94199", "Springfield")),
        "+447700900",
    ),
    "nl": (
        ("Joëlle", "Daniël", "Femke", "Pieter-Jan"),
        ("van 't Hoff", "de Vries", "Geërfd", "IJzerman"),
        ("Keizersgracht-Zuid", "Lange Laan", "Coöperatiehof"),
        (("1015 ZZ", "Amsterdam"), ("3511 ZZ", "Utrecht"), ("6211 ZZ", "Maastricht")),
        "+316000000",
    ),
    "pt": (
        ("João", "Inês", "Conceição", "Simão"),
        ("Gonçalves", "Brandão", "Simões", "Araújo"),
        ("Rua da Praça", "Travessa do Poço", "Largo de São João"),
        (("1100-999", "Lisboa"), ("4000-999", "Porto"), ("3000-999", "Coimbra")),
        "+351910000",
    ),
    "el": (
        ("Γιώργος", "Ελένη", "Δημήτρης", "Κωνσταντίνα", "Ιωάννης"),
        ("Παπαδόπουλος", "Νικολάου", "Αθανασίου", "Χατζηγιάννη"),
        ("Οδός Ερμού", "Λεωφόρος Αλεξάνδρας", "Πλατεία Ομονοίας"),
        (("105 99", "Αθήνα"), ("546 99", "Θεσσαλονίκη"), ("262 99", "Πάτρα")),
        "+306900000",
    ),
    "sk": (
        ("Ľubomír", "Žofia", "Štefan", "Ľudmila"),
        ("Kováč", "Šimková", "Hraško", "Žižka"),
        ("Námestie slobody", "Dlhá ulica", "Štúrova"),
        (("811 99", "Bratislava"), ("040 99", "Košice"), ("010 99", "Žilina")),
        "+421900000",
    ),
    "sv": (
        ("Åsa", "Björn", "Malmström-Åke", "Märta"),
        ("Öberg", "Sjögren", "Ångström", "Lindqvist"),
        ("Storgatan", "Ängsvägen", "Östra Hamngatan"),
        (("111 99", "Stockholm"), ("411 99", "Göteborg"), ("211 99", "Malmö")),
        "+467017406",
    ),
    "fi": (
        ("Väinö", "Äijä", "Päivi", "Kyösti"),
        ("Mäkinen", "Hämäläinen", "Yrjölä", "Åkerblom"),
        ("Mannerheimintie", "Pääskylänkatu", "Töölönkatu"),
        (("00199", "Helsinki"), ("33199", "Tampere"), ("90199", "Oulu")),
        "+358457000",
    ),
    "ja": (
        ("翔太", "美咲", "蓮", "さくら", "健一"),
        ("佐藤", "高橋", "渡邉", "小野寺", "髙木"),
        ("桜丘町1丁目", "本町3-2-1", "南青山５丁目"),
        (("150-9999", "東京都渋谷区"), ("530-9999", "大阪市北区"), ("604-9999", "京都市中京区")),
        "+818000000",
    ),
}
_KANA = ("サトウ", "タカハシ", "ワタナベ", "オノデラ", "タカギ")
_COMPANIES = ("Ateliers Béranger & Cie", "Müller Groß GmbH", "株式会社サンプル", "Ελληνικά Κινητά ΑΕ", "R&D <Labs> Ltd")
# What real address lines hold: other scripts, wide and joined characters, brackets that look like markup.
_AWKWARD = (
    ("李", "王小明"),
    ("Мария", "Щербакова"),
    ("שרה", "לוי-כהן"),
    ("محمد", "الفارسي"),
    ("Zoë👩🏽‍🚀", "[bold]Tables[/bold]"),
    ("Ame\u0301lie", "Ko\u0308nig"),
    ("김", "민준"),
    ("Robert", 'O\'Neil "Bob" <b>'),
)
_DETAILS = ("Apt 4", "2e étage, code 12B7", "c/o Pförtner", "Hinterhaus links", "Building C [rear]", "〒 2階")


def address(draw: Draw, market: str) -> dict[str, str | None]:
    """Return a buyer's address of this market in the field's snake_case, with phone and mail.

    Japanese ones carry the kana readings of the names, as the documents say.
    """
    language = market.split("-")[0]
    firsts, lasts, streets, cities, phone = _PEOPLE[language]
    first, last = draw.pick(firsts), draw.pick(lasts)
    kana = draw.pick(_KANA)
    if draw.happens(0.03):
        first, last = draw.pick(_AWKWARD)
    number = draw.between(1, 199)
    postcode, city = draw.pick(cities)
    street = draw.pick(streets)
    found: dict[str, str | None] = {
        "company": draw.pick(_COMPANIES) if draw.happens(0.04) else "",
        "first_name": first,
        "last_name": last,
        "street": f"{street} {number}" if language in {"de", "nl", "el", "sv", "fi", "es"} else f"{number} {street}",
        "street2": draw.pick(_DETAILS) if draw.happens(0.2) else "",
        "postal_code": postcode,
        "country": MARKETS[market].country or "AU",
        "city": city,
        "phone": f"{phone}{draw.below(10_000):04d}"[:14],
        "email": f"buyer.{draw.below(10**9):09d}@mail.example",
    }
    if language == "ja":
        found["last_name_pronunciation"] = kana
        found["first_name_pronunciation"] = "サクラ"
    return found
