"""Short English passages made from a seed, each with a question whose answer stands in it, to be trained on.

Towns, people and what happened to them are made up, so no passage says what the evaluation's do. `rows(100, seed=1)`
yields a hundred different ones as `problem`, the reading prompt as it is asked, and `solution`, the answer.
"""

from collections.abc import Iterator, Mapping
from random import Random
from typing import NamedTuple

from abacus.text.prompt import READING


class Fact(NamedTuple):
    """A sentence, and questions that it answers, each with its answer: words of the sentence."""

    sentence: str
    asked: tuple[tuple[str, str], ...]


TOLD = 3  # facts of a passage, behind the one that it opens with

WORDS: Mapping[str, list[str]] = {
    name: words.split(", ")
    for name, words in {
        "first": (
            "Ada, Alma, Arthur, Basil, Bertha, Cecil, Clara, Daniel, Edith, Edwin, Elsa, Emil, Esther, "
            "Felix, Flora, Greta, Harold, Hilda, Hugo, Ida, Ivor, Jonas, Judith, Karin, Lena, Leo, Lydia, "
            "Magnus, Marta, Nadia, Oscar, Otto, Paula, Ralph, Rosa, Ruth, Simon, Stella, Thomas, Vera, "
            "Victor, Wanda"
        ),
        "last": (
            "Abbot, Ashdown, Barlow, Bexley, Birch, Calder, Carver, Coldwell, Crane, Dorning, Eldridge, "
            "Fairley, Fenwick, Garrow, Hallam, Harker, Hollis, Ingram, Jessop, Keeling, Kirby, Lander, "
            "Lowell, Marden, Marsh, Nettleton, Norwood, Oakley, Pell, Penrose, Quill, Radley, Rowan, Sefton, "
            "Shaw, Tarrant, Thorne, Underhill, Vance, Wadham, Weller, Yardley"
        ),
        "head": (
            "Alder, Ash, Barn, Bram, Cald, Clay, Dun, East, Elm, Fern, Glen, Hart, Hazel, Holm, Kings, Lang, "
            "Maple, Mill, North, Oak, Pen, Quarr, Raven, Red, Sand, Silver, Stan, Thorn, West, Wood"
        ),
        "tail": "bury, by, combe, dale, field, ford, ham, hurst, leigh, minster, stead, stow, ton, wick, worth",
        "month": "January, March, April, May, June, July, August, September, October, November",
        "material": "oak, red brick, limestone, slate, cast iron, pine, copper, glass, grey stone",
        "colour": "dark green, pale blue, bright yellow, deep red, silver, black and white, orange",
        "crop": "pears, barley, cherries, hops, plums, potatoes, roses, lavender, walnuts, leeks",
        "animal": "otters, owls, swans, badgers, herons, red deer, bats, storks, wild ponies",
        "goods": "salt, wool, timber, tin, paper, cheese, coal, glass beads, linen, tea, clocks",
        "trade": "a baker, a sailor, a teacher, a doctor, a painter, a miller, a lawyer, a weaver",
        "cause": "a fire, a flood, heavy snow, a lack of money, a storm, an outbreak of fever, a landslide",
        "prize": "a silver cup, a basket of fruit, a gold coin, a new bicycle, a box of books, a wooden medal",
        "tool": "a steam pump, a long rope, a brass telescope, a hand drill, a paper map, a small lantern",
    }.items()
}

FAMILIES: tuple[tuple[Fact, ...], ...] = (
    (
        Fact(
            "The {town} Bridge was designed by {person} and opened in {month} {year}.",
            (
                ("Who designed the {town} Bridge?", "{person}"),
                ("When was the {town} Bridge opened?", "{month} {year}"),
            ),
        ),
        Fact("It is built of {material}.", (("What is the bridge built of?", "{material}"),)),
        Fact("{number} workers took part.", (("How many workers took part?", "{number}"),)),
        Fact(
            "In {later} it had to be closed for a year because of {cause}.",
            (
                ("Why was the bridge closed?", "{cause}"),
                ("In which year did the bridge have to be closed?", "{later}"),
            ),
        ),
        Fact(
            "The road over it leads to {place}.", (("Where does the road over the bridge lead?", "{place}"),)
        ),
        Fact("Its railings are painted {colour}.", (("What colour are the railings?", "{colour}"),)),
    ),
    (
        Fact(
            "The museum of {town} was founded by {person}, {trade} who had collected {goods} for years.",
            (
                ("Who founded the museum of {town}?", "{person}"),
                ("What had the founder collected?", "{goods}"),
            ),
        ),
        Fact("It opened in {year}.", (("In which year did the museum open?", "{year}"),)),
        Fact("Its oldest piece was found near {place}.", (("Where was its oldest piece found?", "{place}"),)),
        Fact(
            "{other} has been its director since {later}.",
            (("Who is the director?", "{other}"), ("Since when has {other} been director?", "{later}")),
        ),
        Fact("The house is made of {material}.", (("What is the house made of?", "{material}"),)),
        Fact("A ticket costs {number} crowns.", (("How much does a ticket cost?", "{number} crowns"),)),
    ),
    (
        Fact(
            "In {year} the ship {town} left the port of {place} with {goods} for the islands.",
            (
                ("Which port did the ship leave?", "{place}"),
                ("What did the ship carry?", "{goods}"),
                ("When did the ship leave port?", "{year}"),
            ),
        ),
        Fact("Her captain was {person}.", (("Who was the captain of the ship?", "{person}"),)),
        Fact(
            "After {number} days at sea she lost a mast in {cause}.",
            (("After how many days was a mast lost?", "{number}"), ("What cost the ship a mast?", "{cause}")),
        ),
        Fact("The hull was painted {colour}.", (("What colour was the hull?", "{colour}"),)),
        Fact("The crew saved themselves with {tool}.", (("What did the crew use?", "{tool}"),)),
        Fact(
            "{other}, {trade} on board, wrote a book about the voyage.",
            (("Who wrote a book about the voyage?", "{other}"),),
        ),
    ),
    (
        Fact(
            "Every {month} the people of {town} hold a fair to thank for the harvest of {crop}.",
            (
                ("In which month is the fair of {town} held?", "{month}"),
                ("What harvest do the people give thanks for?", "{crop}"),
            ),
        ),
        Fact("The first fair took place in {year}.", (("When did the first fair take place?", "{year}"),)),
        Fact(
            "Whoever wins the race is given {prize}.", (("What does the winner of the race get?", "{prize}"),)
        ),
        Fact("Last year {person} won it.", (("Who won the race last year?", "{person}"),)),
        Fact(
            "About {number} guests come, most of them from {place}.",
            (("How many guests come?", "{number}"), ("Where do most guests come from?", "{place}")),
        ),
        Fact(
            "In {later} it was called off after {cause}.",
            (("What happened before the fair was called off?", "{cause}"),),
        ),
    ),
    (
        Fact(
            "{person} was born in {town} as the child of {trade} and moved to {place} in {year}.",
            (
                ("Where was {person} born?", "{town}"),
                ("When did {person} move to {place}?", "{year}"),
                ("Where did {person} move to?", "{place}"),
            ),
        ),
        Fact(
            "There the young inventor worked on {tool}.",
            (("What did the inventor work on there?", "{tool}"),),
        ),
        Fact(
            "The money came from {other}, who traded in {goods}.",
            (
                ("Who gave the money for the work?", "{other}"),
                ("What did {other} trade in?", "{goods}"),
            ),
        ),
        Fact(
            "The workshop was lost to {cause} in {later}.",
            (("What destroyed the workshop?", "{cause}"), ("When was the workshop lost?", "{later}")),
        ),
        Fact("A street there bears the name to this day.", ()),
        Fact("{number} letters have been kept.", (("How many letters have been kept?", "{number}"),)),
    ),
    (
        Fact(
            "North of {town} lies a small lake, well known for its {animal}.",
            (
                ("What is the lake well known for?", "its {animal}"),
                ("Which town lies south of the lake?", "{town}"),
            ),
        ),
        Fact("It is {number} metres deep.", (("How deep is the lake?", "{number} metres"),)),
        Fact(
            "Since {year} the shore has belonged to {person}, who grows {crop} there.",
            (("Who owns the shore?", "{person}"), ("What is grown on the shore?", "{crop}")),
        ),
        Fact(
            "Boats may not be used before {month}.", (("Until which month are boats kept out?", "{month}"),)
        ),
        Fact(
            "A tower of {material} was put up in {later} for visitors.",
            (("What is the tower made of?", "{material}"), ("When was the tower put up?", "{later}")),
        ),
        Fact("A path leads from there to {place}.", (("Where does the path lead?", "{place}"),)),
    ),
    (
        Fact(
            "The school in {town} has {number} pupils and keeps {animal} in its garden.",
            (
                ("How many pupils does the school have?", "{number}"),
                ("What is kept in the garden of the school?", "{animal}"),
            ),
        ),
        Fact("{person} has been head of it since {year}.", (("Who is head of the school?", "{person}"),)),
        Fact("Its gate is painted {colour}.", (("What colour is the gate?", "{colour}"),)),
        Fact(
            "Each {month} the oldest pupils walk to {place} with {tool}.",
            (
                ("Where do the oldest pupils walk?", "{place}"),
                ("What do the oldest pupils take along?", "{tool}"),
                ("When do the oldest pupils go on their walk?", "{month}"),
            ),
        ),
        Fact("Lessons were once stopped by {cause}.", (("What once stopped the lessons?", "{cause}"),)),
        Fact(
            "The hall was a gift of {other}, {trade}.",
            (("Who gave the school its hall?", "{other}"), ("What was {other} by trade?", "{trade}")),
        ),
    ),
)


def rows(count: int, seed: int) -> Iterator[dict[str, str]]:
    """`count` different rows, the families taking turns."""
    random, seen = Random(seed), set()
    while len(seen) < count:
        row = _row(FAMILIES[len(seen) % len(FAMILIES)], random)
        if row["problem"] not in seen:
            seen.add(row["problem"])
            yield row


def _row(family: tuple[Fact, ...], random: Random) -> dict[str, str]:
    """A passage of some of a family's facts, and a question on one of them."""
    values = _values(random)
    opening, *others = family
    told = [opening, *(others[n] for n in sorted(random.sample(range(len(others)), TOLD)))]
    question, answer = random.choice([pair for fact in told for pair in fact.asked])
    passage = " ".join(_sentence(fact.sentence.format_map(values)) for fact in told)
    problem = READING.format(context=passage, question=question.format_map(values))
    return {"problem": problem, "solution": answer.format_map(values)}


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _values(random: Random) -> dict[str, str]:
    """What each blank stands for: a word of its list, or something put together."""
    values = {name: random.choice(words) for name, words in WORDS.items()}
    people = [" ".join(pair) for pair in zip(_two("first", random), _two("last", random), strict=True)]
    towns = ["".join(pair) for pair in zip(_two("head", random), _two("tail", random), strict=True)]
    year = random.randint(1480, 1930)
    return values | {
        "person": people[0],
        "other": people[1],
        "town": towns[0],
        "place": towns[1],
        "year": str(year),
        "later": str(year + random.randint(3, 60)),
        "number": str(random.randint(3, 190)),
    }


def _two(name: str, random: Random) -> list[str]:
    return random.sample(WORDS[name], 2)
