"""The words of the synthetic reviews, most frequent first, and lexicons that draw them as a language would.

Names and places are compounded (Har + wick, Glass + mere), which gives thousands of plausible types from a few dozen parts; a
lexicon weighs its word of rank r with 1 / (r + shift), Zipf's law as Mandelbrot amended it.
"""

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate

POSITIVE_ADJECTIVES = (
    "good wonderful great excellent charming superb lovely brilliant moving funny clever delightful gripping beautiful fresh touching "
    "elegant witty warm thrilling memorable satisfying graceful inspired tender magnificent absorbing sharp splendid enchanting "
    "rewarding lively stunning dazzling marvellous impressive engaging refreshing poignant polished"
).split()
NEGATIVE_ADJECTIVES = (
    "bad dreadful boring awful terrible dull poor weak tedious silly stupid clumsy flat lifeless lazy horrible painful stale shallow "
    "pointless annoying hollow bland ridiculous wooden dismal forgettable disappointing tiresome predictable messy pretentious grating "
    "insipid dreary ugly sloppy laughable unbearable pathetic"
).split()
POSITIVE_VERBS = "love enjoy admire adore treasure recommend cherish praise".split()
NEGATIVE_VERBS = "hate regret dislike despise loathe resent detest abhor".split()
POSITIVE_NOUNS = "masterpiece triumph gem delight pleasure treat joy marvel".split()
NEGATIVE_NOUNS = "disaster mess bore failure chore fiasco letdown dud".split()

WHOLES = ("the film", "the picture", "the whole thing", "the finished film", "the movie", "the film as a whole", "the story as a whole")
ASPECTS = (
    "acting plot score script photography dialogue pacing direction cast ending opening soundtrack editing costumes humour romance "
    "scenery narration lighting mystery premise singing choreography makeup sound subplot voiceover casting camerawork prologue"
).split()
GENRES = (
    "film thriller comedy drama romance western mystery musical documentary adventure melodrama fable satire epic parable biography "
    "fantasy heist farce tragedy"
).split()
RELATIONS = (
    "brother sister friend neighbour father mother wife husband colleague cousin uncle aunt teacher landlord daughter son flatmate "
    "grandmother dentist barber"
).split()
ELSEWHERE = (
    "trailer before it|popcorn|cinema itself|poster|short film before it|weather that night|dinner afterwards|novel it is based on|"
    "bus ride home|coffee in the foyer|first film in the series|festival|other film I saw that day|seat I had|remake from last year|"
    "review in the paper|play at the theatre next door|hotel where we stayed"
).split("|")
JOBS = (
    "doctor sailor baker detective teacher widow farmer soldier painter violinist clockmaker botanist smuggler priest nurse beekeeper "
    "journalist carpenter cartographer lawyer boxer gardener librarian locksmith miner pilot postman puppeteer tailor watchman weaver "
    "glazier apothecary chemist fisherman orphan thief gambler schoolgirl hermit translator undertaker photographer blacksmith "
    "diver ferryman cook acrobat magistrate shepherd"
).split()
OBJECTS = (
    "letter map ring diary violin key photograph horse clock boat portrait locket manuscript suitcase garden bicycle lantern coin piano "
    "telescope recipe will necklace mirror notebook compass stamp sword lighthouse vineyard bell chessboard gramophone kite typewriter "
    "umbrella spinet orchard barometer ledger medal statue tapestry thimble trunk wagon whistle greenhouse accordion atlas bracelet "
    "cello chandelier dagger feather goblet helmet inkwell kettle ladder mandolin needle parchment quilt rifle saddle teapot urn vase"
).split()
TASKS = (
    "find steal return sell hide repair copy inherit carry bury forge recover paint smuggle destroy auction restore borrow guard deliver"
).split()
TIMES = (
    "winter war harvest flood wedding trial funeral carnival strike election storm summer eclipse siege festival drought blizzard plague "
    "coronation armistice"
).split()
NUMBERS = "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty".split()
WEEKDAYS = "Saturday Friday Sunday Thursday Wednesday Tuesday Monday".split()
FIRST_NAMES = (
    "Anna Thomas Clara Martin Elena Peter Ruth Daniel Nora Simon Alice Hugo Marta Oscar Julia Leo Irene Victor Helen Felix Greta Paul "
    "Laura Adam Sofia Walter Ida Max Vera Henry Lucy Otto Rosa Edwin Mabel Jonas Edith Karl Agnes Bruno Celia Ivan Dora Louis Stella "
    "Arthur Esther Frank Paula Ralph Sylvia Emil Wanda Cyril Judith Roland Hilda Conrad Flora Basil"
).split()


def _compounds(starts: str, ends: str) -> list[str]:
    # Walking the two lists together, not one inside the other: neighbours in rank share neither start nor end.
    first, last = starts.split(), ends.split()
    pairs = [(first[i % len(first)], last[(i + i // len(first)) % len(last)]) for i in range(len(first) * len(last))]
    return list(dict.fromkeys(start + end for start, end in pairs if start[-1] != end[0]))


SURNAMES = _compounds(
    "Har Wex Bel Cal Dun El Fen Gar Hol Kes Lan Mar Nor Os Pem Quin Ren Sel Tor Ul Var Win Yar Zel Ash Brad Crom Dal Ever Fair Gold "
    "Hart Ing Jar Kin Lind Mel New Old Pres Rad Sher Thorn Under Vin Wal Alder Birk Cald Dray Ers Farn Gren Hask Is Ken Lor Mos Nett "
    "Orm Pell Rook Stan Tarn Usk Vey Whit Yel Bram Cor Drum Elm Frost Glen Hazel "
    "Arm Bal Chad Der Eld Fal Gos Hen Ink Kirk Led Nash Oak Pad Ros Sed Tem Ven Wes Ack Bos Cran Dur Eg Fos Graf Hal",
    "low ford man son wick ley ton by ham well worth stead mere field grave croft bury den dale gate hurst land mont more ridge shaw "
    "stone thorpe wood yard brook burn combe cott court dine don dyke ert evan fell gard gill holt ington kirk lake lock mark nell "
    "over pole quist rand sby ster thwaite vale ward wright wyn",
)
PLACES = _compounds(
    "Salt Moon Glass Black Red Iron Silver Stone Raven River Winter Copper Amber Crow Dun East West North South High Low Long Cold Fox "
    "Heron Wolf Oak Pine Marsh Sand Snow Wind Bell Castle Cinder Clover Coal Ember Gull Hay Holly Ivy King Lark Maple Mill Moss Otter "
    "Plum Quarry Reed Rook Rose Rush Sheep Stag Star Storm Sun Swan Tar Thistle Timber Vine White Willow Wren Yew",
    "mouth haven bridge port market church hill creek point cliff bay moor garth keld minster pool side strand water weir view vik stow "
    "reach ness head hollow grange fleet firth ferry drift cross chapel cove",
)


class Lexicon:
    """Words that are drawn with Zipf's frequencies.

    Args:
        words: most frequent first.
        shift: how far the first words are from dwarfing the rest; 0 is the plain law.
    """

    def __init__(self, words: Sequence[str], shift: float) -> None:
        self.words = tuple(words)
        self._cumulative = list(accumulate(1.0 / (rank + shift) for rank in range(1, len(self.words) + 1)))
        self._total = self._cumulative[-1]

    def pick(self, uniform: float) -> str:
        """The word at `uniform`, a number in [0, 1)."""
        return self.words[bisect(self._cumulative, uniform * self._total)]
