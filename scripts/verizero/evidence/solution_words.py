"""The words of mathematics as schools write it, for telling a response on a problem from one on something else."""

from __future__ import annotations

SOLUTION_WORDS = frozenset(
    """
    abc abcd abd able about above account acd across actually acute add added adding addition additional adds adjacent
    adult adults after afternoon again age ages ago align aligned all along already also alternatively altitude altogether
    always among amount amounts and angle angles animals another answer any apple apples apply applying arc are area areas
    arithmetic around arrange arranged arrangements array arrow arrows asked assume assuming asy ate available average
    away axes axis back bag bags bake ball balls bank bars base bases basketball bcd because becomes been before begin
    beginning being below best between big bike bill bills binomial birthday bisector black block blocks blue bob book
    books both bottle bottles bottom bought box boxes boys bread break bring brother brought build building bus business
    but buy buying buys cake calculate call called came can cancel candy cannot cans capacity car card cards carry
    carrying cars case cases cat catch cats caught center centered centimeters cents certain chairs chance change charge
    charged charges check checking cheese chicken chickens child children chocolate choice choices choose choosing chosen
    circle circles circular circumference city class classes clear clearly clothes club coefficient coefficients coffee
    coin coins collect collected collection collects color colors column combinations combine combined combining come
    comes commas common company complete completing complex compute computer condition conditions cone congruent
    consecutive consider consists constant constants contain containing contains convert cookies coordinate coordinates
    correct corresponding corresponds cosines cost costs could count counted counting counts cover covered cream create
    cross cube cubes cubic cup cups current currently currentprojection customer customers cut cuts cycle dad daily dashed
    day days decide decided decides decimal decreasing defaultpen define defined definition degree degrees denominator
    denote desired determine determined diagonal diagonals diagram diameter did die difference different digit digits
    dimensions dinner dir direction directly discount discriminant distance distinct divide divided divides dividing
    divisible division divisor divisors does doesn dog dogs doing dollar dollars domain don done dot dotfactor double
    doubled down dozen draw drawing drawn drink drinks drive drives driving drop due during each earn earned earnings
    earns easily easy eat eaten eating eats edge edges eggs eight either elements eliminate ellipse empty end endarrow
    endpoints ends enough enter entire equal equality equally equals equation equations equilateral equivalent etc
    evaluate even evening evenly every everyone everything exactly example except exist exists expand expanding expansion
    expenses expensive exponents express expressed expression extend extension extra face faces fact factor factoring
    factorization factors fair family far farm farmer fast father favorite fee feed feet female few fewer field fifth
    figure fill filldraw filled fills final finally find finding finds finish finished first fish fit five fixed floor
    flowers following follows fontsize food foot for form formed formula formulas found four fourth fraction fractions
    free friday friend friends from fruit fruits full function further furthermore gallon gallons game games garden gas
    gave general geometric geometry get gets getting gift girls give given gives giving goal goes going got grade graph
    graphs gray greater greatest green grid grocery group groups guests had half hand has have having height hence her
    here herself hexagon high him his hold holds home horizontal hour hours house how however hyperbola hypotenuse ice
    identical identity implies import inch inches include including inclusive increase increased increases increasing
    indeed inequality information initial initially inscribed inside instead int integer integers intercept interest
    interior intersect intersection intersects interval into inverse isosceles items its itself jack james jar jerry job
    john just keep kept kids kilograms know knows label large larger largest last later law least leave leaves leaving
    left leg legs length lengths less let letter letters letting library lie lies like likes line linear lines linetype
    linewidth list liters little local long longer look looking lose loses loss lost lot lower lowest lunch made make
    makes making many marbles mark market mary math matrix matter maximize maximum may mean meaning means measure measures
    median meet member members men meters middle midpoint midpoints mike mile miles milk minimum minus minute minutes
    modulo mom monday money month monthly months more morning most mother move movie moving mph mrs much multiple
    multiples multiplied multiply multiplying must namely nearest need needed needs negative neither new next night nine
    non none nonnegative nonzero nor normal normally not notation note notice now number numbers numerator obtain obtained
    occur occurs odd off old older olympiad once one ones only onto opposite orange oranges order ordered orders origin
    original originally other otherwise ounce ounces our out outcomes outside over own owns pack packs page pages paid
    paint pair pairs pants paper parabola parallel parallelogram parents park part particular parts party pass passes
    passing past path pattern pay paying pays pen pencils people per percent percentage perfect perimeter period
    perpendicular person phone pick picked picks picture pie piece pieces pizza pizzas place placed places plane planning
    plans plant planted plants play played players playing plays plug plugging plus pmatrix point points polynomial
    positive possibilities possibility possible pound pounds power powers previous price prime primes probability problem
    process produce produces product products profit property purchase purchased put puts putting pyramid pythagorean
    quadratic quadrilateral quantity quarter quarters question quotient race radical radius raise raised ran random
    randomly range rate ratio rational reach read reading reads real recall receive received receives rectangle
    rectangular red reduced reduces reflect region regular relatively remain remainder remained remaining remains removed
    rent represent representation represented represents required requires respectively rest restaurant result resulting
    results return rewrite ride right rightanglemark road roll rolls room root roots rotate round rounded row rows run
    running runs salary sale sales sam same sandwiches sarah satisfies satisfy satisfying saturday save saved saves
    savings saw say scale school score scored season second seconds section see seek segment segments selected sell
    selling sells separated sequence series set sets setting seven several shaded share shared she shift shirt shirts
    shoes shop shopping short shorter should show shown shows side sided sides sign similar similarly simplest simplified
    simplifies simplify simplifying simply sin since single sister six sixth size slices slope small smaller smallest soda
    sold solution solutions solve solving some space speed spend spends spent sphere split sqrt square squares squaring
    standard start started starting starts step steps still stop store straight string student students substitute
    substituting subtract subtracting such sum sunday suppose sure surface symmetry system table tabular take taken takes
    taking tall tangent tank tax teacher team tells ten tens tenth term terms test than that the their them then theorem
    there therefore these they think third this those three through thursday thus ticket tickets ticks tim time times tip
    today together told tom too took top total town trapezoid travel traveled traveling travels tree trees triangle
    triangles trip triple trips true try trying tuesday turn turns twenty twice two type types under unique unit units
    unitsize until use used uses using valid value values vector vectors vertex vertical vertices very video vieta volume
    walk walked walking walks want wanted wants was water way ways wednesday week weekend weekly weeks weigh weighs weight
    well went were what when where which while white who whole whose wide width will win with within without women won
    words work worked working works worth would write writing written xaxis xyz yard yaxis year years yellow yield yields
    you younger your zero
    """.split()  # noqa: SIM905 (1,200 quoted words are no easier to read)
)
"""The 1,200 words of three letters or more that most of the problems with their solutions have in the training splits of GSM8K (7,473) and
MATH (7,500), LaTeX commands and calculator marks left out."""
